// The versions beside this one, as tools/site_versions.py lists them; a page that a version lacks
// leads to its first page.
(async () => {
  const select = document.getElementById("versions");
  if (!select) return;
  const here = new URL(document.documentElement.dataset.content_root, document.baseURI);
  const root = new URL("../", here);
  let versions;
  try {
    const answer = await fetch(new URL("versions.json", root));
    if (!answer.ok) return;
    versions = await answer.json();
  } catch {
    return; // opened as a file, or alone: this version is all there is
  }
  const current = here.pathname.split("/").at(-2);
  select.replaceChildren(
    ...versions.map((version) => new Option(version, version, false, version === current)),
  );
  select.addEventListener("change", async () => {
    const chosen = new URL(`${select.value}/`, root);
    const same = new URL(document.location.pathname.slice(here.pathname.length), chosen);
    const there = await fetch(same, { method: "HEAD" }).then((found) => found.ok, () => false);
    document.location = there ? same : chosen;
  });
})();
