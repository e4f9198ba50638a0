// The little that the pages do beyond htmx; everything can be read without it.
(() => {
  const root = document.documentElement;
  // Until the reader chooses a zone, times are shown in the browser's.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!root.dataset.zone && zone && zone !== "UTC" && !document.cookie.includes("mailglass-zone=")) {
    document.cookie = `mailglass-zone=${zone};path=/;max-age=31536000;samesite=lax`;
    if (document.cookie.includes("mailglass-zone=") && !document.querySelector("form.unsaved")) {
      location.reload();
    }
  }
  // A form that is on its way says so, and is not sent twice.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button && !event.target.hasAttribute("hx-post") && !event.target.hasAttribute("hx-get")) {
      button.setAttribute("aria-busy", "true");
      setTimeout(() => { button.disabled = true; }, 0);
    }
  });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[aria-busy]")) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  });
})();
