/* Tables sorted by a column: upwards, downwards, and as they were. */

const BOUND = /^(?:(?<less><|less than)|(?<more>>|more than)|≈|~|about)\s*(?=[\d−∞-])/;
const NUMBER = /^([−-])?((?!10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻])[\d\u202f]*\.?\d+|∞)?(?:( × )?10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+))?/;

/* What a cell is sorted by: its number and whether that is a bound, or its text; small print is
   none of it. */
function key(cell) {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll("small").forEach((note) => note.remove());
  const text = copy.textContent.trim();
  const bound = text.match(BOUND);
  const [, minus, mantissa, , raised] = text.slice(bound?.[0].length ?? 0).match(NUMBER);
  if (mantissa === undefined && raised === undefined) return /\p{L}/u.test(text) ? text : null;
  const digits = [...(raised ?? "⁰")].map((c) => "0123456789-"[SUPERSCRIPT.indexOf(c)]).join("");
  const plain = mantissa === "∞" ? Infinity : Number((mantissa ?? "1").replaceAll("\u202f", ""));
  const side = bound?.groups.less ? -1 : bound?.groups.more ? 1 : 0;
  return [(minus ? -1 : 1) * plain * 10 ** Number(digits), side];
}

/* Numbers first, then words; what is not known last, whichever way the others go. */
function compare(a, b, way) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "string" ? 1 : -1;
  if (typeof a === "string") return way * a.localeCompare(b);
  return way * (a[0] - b[0] || a[1] - b[1]);
}

const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const before = [...body.rows];
  if (before.length < 2) continue;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const sort = button("", "", () => {
      const way = NEXT[head.getAttribute("aria-sort") ?? "none"];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (way !== "none") head.setAttribute("aria-sort", way);
      const sign = way === "descending" ? -1 : 1;
      const keyed = before.map((row) => [key(row.cells[column]), row]);
      if (way !== "none") keyed.sort(([a], [b]) => compare(a, b, sign));
      body.append(...keyed.map(([, row]) => row));
    });
    sort.className = "sort";
    sort.append(...head.childNodes);
    head.append(sort);
  });
}
