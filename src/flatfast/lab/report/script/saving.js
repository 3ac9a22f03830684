/* Files that the reader keeps: numbers as CSV and JSON, pictures as SVG and PNG. */

// No longer than a file's name may be.
const PROBLEM = document.body.dataset.problem.replace(/[^\w.-]+/g, "_").slice(0, 80);
const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻";
const PIXELS = 2; // of a PNG, for each of the picture's own

const read = (id) => JSON.parse(document.getElementById(id).textContent);

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${PROBLEM}-${name}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function csv({ columns, rows }) {
  const cell = (value) => {
    // Words that spreadsheets would take for a formula are told that they are words.
    const formula = typeof value === "string" && /^[=+@\t\r-]/.test(value);
    const text = value === null ? "" : `${formula ? "'" : ""}${value}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

/* The picture that is shown: of the light theme or of the dark one. */
function svg(image) {
  const bytes = atob(image.currentSrc.split(",")[1]);
  return new Blob([Uint8Array.from(bytes, (c) => c.charCodeAt(0))], { type: "image/svg+xml" });
}

function png(image) {
  const canvas = document.createElement("canvas");
  canvas.width = PIXELS * image.naturalWidth;
  canvas.height = PIXELS * image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function button(label, title, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  if (title) made.setAttribute("aria-label", (made.title = title));
  made.addEventListener("click", act);
  return made;
}

function toolbar(...buttons) {
  const made = document.createElement("div");
  made.className = "tools";
  made.append(...buttons);
  return made;
}
