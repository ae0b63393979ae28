// Before the first paint, so that neither a chosen theme nor the list of chats moves in later. Not a
// module: those wait.
{
  let chosen = {};
  try {
    chosen = JSON.parse(localStorage.getItem("isthmus.settings")) ?? {};
  } catch {
    // Nothing was chosen, or nothing is kept.
  }
  const root = document.documentElement;
  if (chosen.theme === "light" || chosen.theme === "dark") root.dataset.theme = chosen.theme;
  root.classList.toggle("sidebar", chosen.sidebar !== false && window.matchMedia("(min-width: 52.01rem)").matches);
}
