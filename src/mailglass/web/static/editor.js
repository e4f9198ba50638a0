// Formatted text for the compose form. Without it the plain field stays, and is what is sent.
(() => {
  const place = document.querySelector(".editor");
  if (!place) return;
  const text = place.querySelector("textarea[name=text]"), html = place.querySelector("textarea[name=html]");
  const area = document.createElement("div");
  Object.assign(area, { className: "area", contentEditable: "true", tabIndex: 0 });
  for (const [name, value] of [["role", "textbox"], ["aria-multiline", "true"], ["aria-label", place.dataset.label]]) area.setAttribute(name, value);
  if (html.value) {
    // parsed apart, where nothing runs or loads; the server has cleaned it too
    const page = new DOMParser().parseFromString(html.value, "text/html");
    area.append(...page.body.childNodes);
  } else {
    area.innerText = text.value;
  }
  const bar = document.createElement("div");
  bar.setAttribute("role", "toolbar");
  for (const [label, command] of [["bold", "bold"], ["italic", "italic"], ["list", "insertUnorderedList"], ["link", "createLink"]]) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "quiet", textContent: place.dataset[label] });
    button.addEventListener("click", () => {
      const to = command === "createLink" ? prompt(place.dataset.ask, "https://") : null;
      if (command !== "createLink" || to) { document.execCommand(command, false, to); area.focus(); }
    });
    bar.append(button);
  }
  area.addEventListener("paste", (event) => {
    event.preventDefault();
    document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
  });
  text.closest("label").replaceWith(bar, area);
  place.append(text);
  text.hidden = true;
  place.closest("form").addEventListener("submit", () => {
    const isPlain = !area.querySelector("b,strong,i,em,ul,ol,li,a,img,h1,h2,h3,blockquote,u");
    text.value = area.innerText;
    html.value = isPlain ? "" : area.innerHTML;
  });
})();
