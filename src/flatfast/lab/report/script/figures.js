/* A row of buttons below each figure, and its values under the pointer or by the keys. */

const VALUES = read("values");

for (const figure of document.querySelectorAll("figure[data-name]")) {
  const { name } = figure.dataset;
  const image = figure.querySelector("img");
  const tools = toolbar(
    button("Enlarge", "", () => enlarge(figure)),
    button("PNG", "Save the figure as PNG", async () => save(`${name}.png`, await png(image))),
    button("SVG", "Save the figure as SVG", () => save(`${name}.svg`, svg(image))),
  );
  const values = VALUES[name];
  if (values.at) {
    withValues(figure.querySelector(".frame"), values, pickerOf(name));
    const text = () => new Blob([csv(values)], { type: "text/csv" });
    tools.append(button("CSV", "Save the figure's values as CSV", () => save(`${name}.csv`, text())));
  }
  figure.append(tools);
}
