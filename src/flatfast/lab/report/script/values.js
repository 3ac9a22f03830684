/* The values of the mark under the pointer, under a finger, or chosen by the keys. */

const BESIDE = 14; // pixels from a mark to its values
const EDGE = 4; // pixels that stay free at the edge of the window
const DIGITS = 4;

function shown(value) {
  if (typeof value !== "number") return value;
  // A momentum is told by its distance from 1.
  const nines = value > 0.9 && value < 1 ? Math.floor(-Math.log10(1 - value)) : 0;
  const [mantissa, exponent] = value.toExponential(DIGITS - 1 + nines).split("e");
  const plain = Number(`${mantissa}e${exponent}`);
  if (plain !== 0 && (exponent < -4 || exponent > 6)) {
    const raised = [...exponent.replace("+", "")].map((c) => SUPERSCRIPT["0123456789-".indexOf(c)]);
    const factor = Number(mantissa) === 1 ? "" : `${Number(mantissa)} × `;
    return `${factor}10${raised.join("")}`;
  }
  const grouped = Math.abs(plain) >= 1000 ? "\u202f" : "";
  return String(plain).replace(/\B(?=(\d{3})+$)/g, grouped);
}

function words({ columns, rows }, index) {
  return columns
    .map((name, column) => [name, rows[index][column]])
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name}: ${shown(value).replace(/^-/, "−")}`);
}

/* A line of them, with powers such as lr^(2/3) set as such. */
function typeset(line) {
  const made = document.createElement("span");
  line.split(/\^\(?([−\w/]+)\)?/).forEach((part, index) => {
    const piece = document.createElement(index % 2 ? "sup" : "span");
    piece.textContent = part;
    made.append(piece);
  });
  return made;
}

let hide = () => {}; // what is told: one mark at a time
document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".told")) hide();
});

function withValues(frame, values, pick) {
  const [ring, tip, said] = ["ring", "tip", "said"].map((name) => {
    const made = document.createElement("span");
    made.className = name;
    return made;
  });
  tip.setAttribute("aria-hidden", "true"); // what it tells by the keys is said
  said.setAttribute("role", "status");
  frame.append(ring, tip, said);
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "Figure. Arrow keys tell the values of its marks.");
  let current = -1;

  const away = () => {
    current = -1;
    frame.classList.remove("told");
    said.textContent = "";
  };
  const place = () => {
    if (current < 0) return;
    const [x, y] = values.at[current];
    const box = frame.getBoundingClientRect();
    const edges = (frame.closest("dialog") ?? document.documentElement).getBoundingClientRect();
    const [left, right] = [edges.left - box.left + EDGE, edges.right - box.left - EDGE];
    const { offsetWidth: width, offsetHeight: height } = tip;
    const after = x * box.width + BESIDE;
    const fits = after + width <= right ? after : x * box.width - BESIDE - width;
    tip.style.left = `${Math.max(left, Math.min(fits, right - width))}px`;
    tip.style.top = `${y * box.height + (y > 0.5 ? -BESIDE - height : BESIDE)}px`;
  };
  const show = (index) => {
    if (index === current) return;
    hide();
    if (index < 0) return;
    hide = away;
    current = index;
    frame.classList.add("told");
    const [x, y] = values.at[index];
    ring.style.left = `${100 * x}%`;
    ring.style.top = `${100 * y}%`;
    tip.replaceChildren(...words(values, index).map(typeset));
    place();
  };
  const point = (event) => {
    const box = frame.getBoundingClientRect();
    const at = [event.clientX - box.left, event.clientY - box.top];
    show(pick(values.at, ...at, box.width, box.height));
  };
  const step = (from, by) => {
    const count = values.at.length;
    for (let tried = 0; tried < count; tried += 1) {
      const index = (((from + by * tried) % count) + count) % count;
      if (!values.at[index]) continue;
      show(index);
      said.textContent = words(values, index).join("; ");
      return;
    }
  };
  const keys = {
    ArrowRight: () => step(current + 1, 1),
    ArrowUp: () => step(current + 1, 1),
    ArrowLeft: () => step(current < 0 ? -1 : current - 1, -1),
    ArrowDown: () => step(current < 0 ? -1 : current - 1, -1),
    Home: () => step(0, 1),
    End: () => step(-1, -1),
  };
  frame.addEventListener("pointermove", point);
  frame.addEventListener("pointerdown", point);
  frame.addEventListener("pointerleave", (event) => {
    // A finger that is lifted leaves too, and its owner wants to read.
    if (event.pointerType !== "touch") away();
  });
  frame.addEventListener("blur", away);
  frame.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
    if (event.key in keys) keys[event.key]();
    else if (event.key === "Escape" && current >= 0) away();
    else return;
    event.preventDefault();
  });
  new ResizeObserver(place).observe(frame);
}
