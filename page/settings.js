// What a person chose: kept in localStorage, the key only in sessionStorage. An empty sampling
// value means that the server's own default holds.

const kStorage = 'issun.settings';
const kKey = 'issun.key';
const kLargest = Number.MAX_SAFE_INTEGER;

/** The numbers of a request, by the names of the API. */
export const kNumbers = [
  { name: 'temperature', min: 0, max: 5, integer: false },
  { name: 'top_p', min: 0, max: 1, integer: false },
  { name: 'top_k', min: 0, max: 1000000, integer: true },
  { name: 'min_p', min: 0, max: 1, integer: false },
  { name: 'max_tokens', min: 1, max: 1000000, integer: true },
  { name: 'seed', min: 0, max: 4294967295, integer: true },
];

/** {value} (null for an empty text) or {error: true}. Full-width digits of a Japanese keyboard count. */
export function parseNumber({ min, max, integer }, written) {
  const text = written.normalize('NFKC').trim().replace(',', '.');
  if (text === '') return { value: null };
  const value = Number(text);
  const bad = !Number.isFinite(value) || value < min || value > max;
  return bad || (integer && !Number.isInteger(value)) ? { error: true } : { value };
}

/** One stop text a line; `\n`, `\t` and `\\` are read as in code. */
export function parseStop(written) {
  const meanings = { n: '\n', t: '\t', '\\': '\\' };
  return written.split('\n').filter((line) => line !== '')
    .map((line) => line.replace(/\\([nt\\])/g, (_, letter) => meanings[letter]));
}

function checked(stored) {
  const from = stored && typeof stored === 'object' ? stored : {};
  const numbers = from.numbers && typeof from.numbers === 'object' ? from.numbers : {};
  const settings = {
    version: 1,
    language: ['en', 'ja'].includes(from.language) ? from.language : '',
    theme: ['light', 'dark'].includes(from.theme) ? from.theme : '',
    model: typeof from.model === 'string' ? from.model : '',
    system: typeof from.system === 'string' ? from.system : '',
    stop: typeof from.stop === 'string' ? from.stop : '',
    numbers: {},
  };
  for (const field of kNumbers) {
    const parsed = parseNumber(field, String(numbers[field.name] ?? ''));
    settings.numbers[field.name] = parsed.error ? null : parsed.value;
  }
  return settings;
}

export function loadSettings() {
  try {
    return checked(JSON.parse(localStorage.getItem(kStorage)));
  } catch {
    return checked(null);
  }
}

export function saveSettings(settings) {
  try {
    localStorage.setItem(kStorage, JSON.stringify(settings));
  } catch {
    // Without storage they hold until the page is closed.
  }
}

let keptKey = '';  // where the browser has no sessionStorage

export function apiKey() {
  try {
    return sessionStorage.getItem(kKey) || '';
  } catch {
    return keptKey;
  }
}

export function setApiKey(key) {
  keptKey = key.trim();
  try {
    sessionStorage.setItem(kKey, keptKey);
  } catch {
    // Held by the variable.
  }
}

/** The part of a request that the settings decide. */
export function requestFields(settings) {
  const fields = {};
  if (settings.model) fields.model = settings.model;
  for (const { name } of kNumbers) {
    const value = settings.numbers[name];
    if (value !== null && value !== undefined && value <= kLargest) fields[name] = value;
  }
  const stop = parseStop(settings.stop);
  if (stop.length) fields.stop = stop;
  return fields;
}
