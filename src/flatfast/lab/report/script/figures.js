/* Values under the pointer, or by the arrow keys, and a row of buttons below each figure. */

const NEAR = 30; // pixels within which a mark is meant
const VALUES = read("values");

const DIGITS = 4;

function shown(value) {
  if (typeof value !== "number") return value;
  const [mantissa, exponent] = value.toExponential(DIGITS - 1).split("e");
  const plain = Number(`${mantissa}e${exponent}`);
  if (plain !== 0 && (exponent < -4 || exponent > 6)) {
    const raised = [...exponent.replace("+", "")].map((c) => SUPERSCRIPT["0123456789-".indexOf(c)]);
    return `${Number(mantissa)} × 10${raised.join("")}`;
  }
  return String(plain).replace(/\B(?=(\d{3})+$)/g, plain >= 1000 ? "\u202f" : "");
}

function words({ columns, rows }, index) {
  return columns
    .map((name, column) => [name, rows[index][column]])
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name}: ${shown(value).replace(/^-/, "−")}`);
}

function nearest(at, x, y, width, height) {
  let best = -1;
  let least = NEAR;
  at.forEach((place, index) => {
    if (!place) return;
    const distance = Math.hypot(place[0] * width - x, place[1] * height - y);
    if (distance < least) [best, least] = [index, distance];
  });
  return best;
}

function withValues(frame, values) {
  const ring = document.createElement("span");
  const tip = document.createElement("span");
  ring.className = "ring";
  tip.className = "tip";
  tip.setAttribute("role", "status");
  frame.append(ring, tip);
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "Figure. Arrow keys tell the values of its marks.");
  let current = -1;

  const show = (index) => {
    current = index;
    frame.classList.toggle("told", index >= 0);
    if (index < 0) return;
    const [x, y] = values.at[index];
    ring.style.left = tip.style.left = `${100 * x}%`;
    ring.style.top = tip.style.top = `${100 * y}%`;
    tip.classList.toggle("leftwards", x > 0.5);
    tip.classList.toggle("upwards", y > 0.5);
    tip.replaceChildren(
      ...words(values, index).map((line) => {
        const made = document.createElement("span");
        made.textContent = line;
        return made;
      }),
    );
  };
  const point = (event) => {
    const box = frame.getBoundingClientRect();
    const at = [event.clientX - box.left, event.clientY - box.top];
    show(nearest(values.at, ...at, box.width, box.height));
  };
  const step = (by) => {
    const count = values.at.length;
    for (let tried = 1; tried <= count; tried += 1) {
      const index = (((current < 0 && by < 0 ? 0 : current) + by * tried) % count + count) % count;
      if (values.at[index]) return show(index);
    }
  };
  frame.addEventListener("pointermove", point);
  frame.addEventListener("pointerdown", point);
  frame.addEventListener("pointerleave", () => show(-1));
  frame.addEventListener("blur", () => show(-1));
  frame.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by) step(by);
    else if (event.key === "Escape" && current >= 0) show(-1);
    else return;
    event.preventDefault();
  });
}

for (const figure of document.querySelectorAll("figure[data-name]")) {
  const { name } = figure.dataset;
  const frame = figure.querySelector(".frame");
  const image = frame.querySelector("img");
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(
    button("Enlarge", "", () => enlarge(figure)),
    button("PNG", "Save the figure as PNG", async () => save(`${name}.png`, await png(image))),
    button("SVG", "Save the figure as SVG", () => save(`${name}.svg`, svg(image))),
  );
  const values = VALUES[name];
  if (values.at) {
    withValues(frame, values);
    const text = () => new Blob([csv(values)], { type: "text/csv" });
    tools.append(button("Data", "Save the figure's values as CSV", () => save(`${name}.csv`, text())));
  }
  figure.append(tools);
}
