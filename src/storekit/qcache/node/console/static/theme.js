// Dark or light before anything is drawn; without a choice, as the system has it.
(function () {
  try {
    var theme = localStorage.getItem("qcache-console-theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // no storage: as the system has it
  }
})();
