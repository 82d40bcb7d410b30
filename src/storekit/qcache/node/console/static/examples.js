// Queries that make sense of a table, by the types of its columns, in both languages.

// What QCache can compute with: names as Python has them, but for its keywords.
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const KEYWORDS = new Set(
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield".split(" "),
);

const identifier = (name) => `"${name.replaceAll('"', '""')}"`;

export function examplesFor(key, columns) {
  const usable = columns.filter(({ name }) => NAME.test(name) && name.length < 100 && !KEYWORDS.has(name));
  const number = usable.find((column) => column.type === "float") ?? usable.find((column) => column.type === "int");
  const group = usable.find((column) => column.type === "enum") ?? usable.find((column) => column.type === "text");
  const counted = usable.find((column) => column !== group && column.nulls === 0);
  const table = identifier(key);
  const found = [];
  const add = (title, sql, query) => {
    found.push({ language: "sql", key, title, text: sql });
    if (query) found.push({ language: "json", key, title, text: JSON.stringify(query, null, 1).replaceAll(/\n */g, " ") });
  };
  add("First rows", `SELECT *\nFROM ${table}\nLIMIT 100`, { limit: 100 });
  if (number) {
    const n = identifier(number.name);
    add(
      "Largest values",
      `SELECT *\nFROM ${table}\nWHERE ${n} IS NOT NULL\nORDER BY ${n} DESC\nLIMIT 20`,
      { where: ["==", number.name, number.name], order_by: [`-${number.name}`], limit: 20 },
    );
  }
  if (group) {
    const g = identifier(group.name);
    add(
      "How often each value is there",
      `SELECT ${g}, count(*) AS n\nFROM ${table}\nGROUP BY ${g}\nORDER BY n DESC\nLIMIT 20`,
      counted && { select: [group.name, ["count", counted.name]], group_by: [group.name], order_by: [`-${counted.name}`], limit: 20 },
    );
  }
  if (group && number) {
    const [g, n] = [identifier(group.name), identifier(number.name)];
    add(
      "A sum for each value",
      `SELECT ${g}, sum(${n}) AS total\nFROM ${table}\nGROUP BY ${g}\nORDER BY total DESC\nLIMIT 20`,
      { select: [group.name, ["sum", number.name]], group_by: [group.name], order_by: [`-${number.name}`], limit: 20 },
    );
  }
  return found;
}
