/* A figure over the whole window; Escape, or a click beside it, closes it. */

const large = document.createElement("dialog");
large.className = "large";
document.body.append(large);
large.addEventListener("click", (event) => {
  if (event.target === large) large.close();
});

function enlarge(figure) {
  const frame = document.createElement("div");
  const image = figure.querySelector("img");
  frame.className = "frame";
  frame.style.setProperty("--aspect", image.naturalWidth / image.naturalHeight);
  frame.append(figure.querySelector("picture").cloneNode(true));
  const caption = document.createElement("p");
  caption.textContent = figure.querySelector("figcaption").textContent;
  large.setAttribute("aria-label", caption.textContent);
  large.replaceChildren(button("Close", "", () => large.close()), frame, caption);
  const values = VALUES[figure.dataset.name];
  if (values.at) withValues(frame, values, pickerOf(figure.dataset.name));
  large.showModal();
}
