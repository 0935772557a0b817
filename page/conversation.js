// A conversation is a tree of messages: an edited or regenerated message is a new child of the same
// parent, and what was there stays reachable. Pure data and functions, no document and no storage.
//
// Conversation: {version, id, title, titled, system, created, changed (ms), nodes: {id: Node},
//                selected: {parent id or '': child id}}
// Node: {id, parent (id or ''), role, content, created, changed}; a user's has files [{name, text}];
//       an assistant's has reasoning, state (running, done, stopped, failed), finish, model, error
//       {message, status, code, retryAfter} or null, usage {prompt, completion, cached} or null,
//       speed (tokens/s, 0 when unknown), thinkingMs.

export const kVersion = 1;
export const kFormat = 'issun-conversations';
const kId = /^[A-Za-z0-9-]{8,64}$/;
const kStates = ['running', 'done', 'stopped', 'failed'];

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return 'c' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function createConversation(system = '', now = Date.now()) {
  return {
    version: kVersion, id: newId(), title: '', titled: false, system,
    created: now, changed: now, nodes: {}, selected: {},
  };
}

const kAnswer = {
  reasoning: '', state: 'running', finish: '', model: '', error: null, usage: null, speed: 0,
  thinkingMs: 0,
};

/** Adds a message below `parent` ('' at the top) and selects it. */
export function addNode(conversation, parent, role, content, files = []) {
  const now = Date.now();
  const node = { id: newId(), parent, role, content, created: now, changed: now };
  if (role === 'user') node.files = files;
  else Object.assign(node, kAnswer);
  conversation.nodes[node.id] = node;
  conversation.selected[parent] = node.id;
  conversation.changed = now;
  if (!conversation.titled && role === 'user' && parent === '') {
    conversation.title = titleFrom(content, files);
  }
  return node;
}

/** Makes a failed answer without text ready for another try. */
export function resetAnswer(node) {
  Object.assign(node, kAnswer, { content: '', changed: Date.now() });
}

export function titleFrom(content, files = []) {
  const line = content.trim().split('\n')[0].replace(/\s+/g, ' ').trim();
  const text = line || (files[0] ? files[0].name : '');
  const letters = Array.from(text);
  return letters.length > 60 ? `${letters.slice(0, 59).join('')}\u2026` : text;
}

const byAge = (a, b) => a.created - b.created || (a.id < b.id ? -1 : 1);

function childrenByParent(conversation) {
  const table = new Map();
  for (const node of Object.values(conversation.nodes)) {
    if (!table.has(node.parent)) table.set(node.parent, []);
    table.get(node.parent).push(node);
  }
  for (const children of table.values()) children.sort(byAge);
  return table;
}

/** The messages on show, first to last: [{node, index, count}], the place among its siblings. */
export function path(conversation) {
  const table = childrenByParent(conversation);
  const steps = [];
  for (let parent = ''; table.has(parent);) {
    const siblings = table.get(parent);
    let index = siblings.findIndex((node) => node.id === conversation.selected[parent]);
    if (index < 0) index = siblings.length - 1;
    steps.push({ node: siblings[index], index, count: siblings.length });
    parent = siblings[index].id;
  }
  return steps;
}

/** Shows the sibling `step` places further on; stays within the ends. */
export function selectSibling(conversation, id, step) {
  const { parent } = conversation.nodes[id];
  const siblings = childrenByParent(conversation).get(parent);
  const index = siblings.findIndex((node) => node.id === id) + step;
  const chosen = siblings[Math.max(0, Math.min(index, siblings.length - 1))];
  conversation.selected[parent] = chosen.id;
  conversation.changed = Date.now();
  return chosen;
}

/** The text of a user's message as the model reads it: the files first, then the words. */
export function userContent(node) {
  const parts = (node.files || []).map(({ name, text }) => {
    const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), (run) => run[0].length));
    const fence = '`'.repeat(longest + 1);
    return `${name}:\n${fence}\n${text}${text.endsWith('\n') ? '' : '\n'}${fence}`;
  });
  if (node.content) parts.push(node.content);
  return parts.join('\n\n');
}

/**
 * The messages of a request that asks for what follows node `id`: roles alternate (two user's
 * messages in a row, after an answer that never came, are sent as one).
 */
export function requestMessages(conversation, id) {
  const chain = [];
  for (let at = id; at; at = conversation.nodes[at].parent) chain.push(conversation.nodes[at]);
  const messages = [];
  if (conversation.system.trim()) messages.push({ role: 'system', content: conversation.system });
  for (const node of chain.reverse()) {
    const content = node.role === 'user' ? userContent(node) : node.content;
    const last = messages[messages.length - 1];
    if (!content) continue;
    if (last && last.role === node.role) last.content += `\n\n${content}`;
    else messages.push({ role: node.role, content });
  }
  return messages;
}

/**
 * Two states of one conversation as one: no message of either is lost, and of a message that both
 * have the later state counts. Two windows may so write the same conversation.
 */
export function merge(mine, stored) {
  if (!stored) return mine;
  const [older, newer] = stored.changed > mine.changed ? [mine, stored] : [stored, mine];
  const merged = { ...newer, nodes: { ...older.nodes } };
  merged.selected = { ...older.selected, ...newer.selected };
  for (const node of Object.values(newer.nodes)) {
    const other = older.nodes[node.id];
    if (!other || other.changed <= node.changed) merged.nodes[node.id] = node;
  }
  return merged;
}

const text = (value) => (typeof value === 'string' ? value : '');
const count = (value) => (Number.isFinite(value) && value >= 0 ? value : 0);

function checkedFiles(files) {
  const list = Array.isArray(files) ? files : [];
  return list.map((file) => ({ name: text(file && file.name), text: text(file && file.text) }));
}

function checkedNode(node) {
  const role = node.role === 'assistant' ? 'assistant' : 'user';
  const base = {
    id: node.id, parent: text(node.parent), role, content: text(node.content),
    created: count(node.created), changed: count(node.changed),
  };
  if (role === 'user') return { ...base, files: checkedFiles(node.files) };
  const { usage, error } = node;
  return {
    ...base,
    reasoning: text(node.reasoning),
    state: kStates.includes(node.state) ? node.state : 'done',
    finish: text(node.finish),
    model: text(node.model),
    error: error && typeof error === 'object' ? {
      message: text(error.message), status: count(error.status), code: text(error.code),
      retryAfter: count(error.retryAfter),
    } : null,
    usage: usage && typeof usage === 'object' ? {
      prompt: count(usage.prompt), completion: count(usage.completion),
      cached: count(usage.cached),
    } : null,
    speed: count(node.speed),
    thinkingMs: count(node.thinkingMs),
  };
}

/** A conversation of which every field has its type and every parent exists, or null. */
export function checkedConversation(value) {
  if (!value || typeof value !== 'object' || !kId.test(value.id)) return null;
  if (value.version !== kVersion || !value.nodes || typeof value.nodes !== 'object') return null;
  const nodes = {};
  for (const node of Object.values(value.nodes)) {
    if (!node || typeof node !== 'object' || !kId.test(node.id)) return null;
    nodes[node.id] = checkedNode(node);
  }
  const rooted = new Set(['']);
  for (const start of Object.values(nodes)) {
    const chain = new Set();
    let at = start.id;
    while (!rooted.has(at)) {
      if (!Object.hasOwn(nodes, at) || chain.has(at)) return null;
      chain.add(at);
      at = nodes[at].parent;
    }
    for (const id of chain) rooted.add(id);
  }
  const selected = {};
  for (const [parent, child] of Object.entries(value.selected || {})) {
    if (Object.hasOwn(nodes, child) && nodes[child].parent === parent) selected[parent] = child;
  }
  return {
    version: kVersion, id: value.id, title: text(value.title), titled: value.titled === true,
    system: text(value.system), created: count(value.created), changed: count(value.changed),
    nodes, selected,
  };
}

export function exportText(conversations) {
  return JSON.stringify({ format: kFormat, version: kVersion, conversations }, null, 1);
}

/** The conversations of an exported file; throws an Error with the code of a text for people. */
export function importText(json) {
  let value;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Error('importNotJson');
  }
  if (!value || value.format !== kFormat) throw new Error('importOtherFormat');
  if (value.version !== kVersion) throw new Error('importOtherVersion');
  const list = Array.isArray(value.conversations) ? value.conversations : [];
  const conversations = list.map(checkedConversation);
  if (conversations.includes(null)) throw new Error('importDamaged');
  return conversations;
}
