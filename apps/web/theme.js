// Before the first paint, so that a chosen theme does not flash in later. Not a module: those wait.
try {
  const { theme } = JSON.parse(localStorage.getItem("isthmus.settings"));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Nothing was chosen.
}
