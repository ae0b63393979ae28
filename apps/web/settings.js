// What is chosen once and kept: how answers are made, and how the page looks.

const kName = "isthmus.settings";
const kDefaults = {
  system: "", temperature: null, top_p: null, max_tokens: null, seed: null, template: "",
  aligner: "", compare: null,  // names; null: no second answer
  theme: "auto", shortcuts: true, sidebar: true,
};

function stored() {
  try {
    return JSON.parse(localStorage.getItem(kName)) ?? {};
  } catch {
    return {};
  }
}

export const settings = { ...kDefaults, ...stored() };

export function change(values) {
  Object.assign(settings, values);
  try {
    localStorage.setItem(kName, JSON.stringify(settings));
  } catch {
    // Nothing is kept in this browser; the choice holds until the page is left.
  }
}

// "auto" leaves it to the system.
export function showTheme() {
  if (settings.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = settings.theme;
}
