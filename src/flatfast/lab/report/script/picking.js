/* Which of a figure's marks is meant by a place in it, in pixels. */

const NEAR = 30; // pixels within which a mark is meant

/* Of a map every place in a cell means the cell, however large it is drawn. */
const pickerOf = (name) => (name === "heat_map" ? cellAt : nearest);

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

/* Cells lie in columns, and end half-way to their neighbours. */
function cellAt(at, x, y, width, height) {
  const columns = [...new Set(at.filter(Boolean).map(([left]) => left))];
  const column = within(columns, x / width, NEAR / width);
  const cells = at.filter((place) => place?.[0] === column).map(([, top]) => top);
  const top = within(cells, y / height, NEAR / height);
  return at.findIndex((place) => place?.[0] === column && place[1] === top);
}

/* The middle of the interval that holds `value`; a single one reaches as far as `alone`. */
function within(middles, value, alone) {
  const sorted = [...middles].sort((a, b) => Math.abs(a - value) - Math.abs(b - value));
  const [first, ...others] = sorted;
  if (first === undefined) return undefined;
  const gaps = (side) => others.map((other) => (other - first) * side).filter((gap) => gap > 0);
  const side = Math.sign(value - first) || 1;
  const gap = Math.min(...[gaps(side), gaps(-side)].find((some) => some.length) ?? [2 * alone]);
  return Math.abs(value - first) <= gap / 2 ? first : undefined;
}
