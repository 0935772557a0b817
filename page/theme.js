// Runs before the page is painted, so that a chosen theme and language show without a flash.
(() => {
  let chosen = {};
  try {
    chosen = JSON.parse(localStorage.getItem('issun.settings')) || {};
  } catch {
    // No storage or no settings: the system's theme and the browser's language hold.
  }
  const root = document.documentElement;
  if (chosen.theme === 'light' || chosen.theme === 'dark') root.dataset.theme = chosen.theme;
  const language = chosen.language === 'ja' || chosen.language === 'en' ? chosen.language : navigator.language;
  root.lang = String(language).startsWith('ja') ? 'ja' : 'en';
})();
