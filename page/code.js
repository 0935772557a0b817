// Colours for code: comments, strings, numbers and keywords of the common languages, by one pass
// that never fails; what it does not know stays plain.

const kLongest = 40000;  // characters; longer code stays plain, so that streaming stays smooth

const words = (text) => new Set(text.split(' '));
const kCFamily = words(
  'abstract as async auto await bool boolean break case catch char class const constexpr continue ' +
  'default delete do double else enum export extends extern false final finally float fn for from ' +
  'func function go if impl implements import in inline instanceof int interface let long loop ' +
  'match mod mut namespace new nil null nullptr of override package private protected pub public ' +
  'return self short signed sizeof static string struct super switch template this throw trait ' +
  'true try type typedef typename typeof undefined unsigned use using var virtual void volatile ' +
  'where while yield');
const kPython = words(
  'False None True and as assert async await break class continue def del elif else except ' +
  'finally for from global if import in is lambda match nonlocal not or pass raise return self ' +
  'try while with yield');
const kShell = words(
  'case do done echo elif else esac exit export fi for function if in local return set shift ' +
  'then unset until while');
const kSql = words(
  'add all alter and as asc between by case create default delete desc distinct drop else end ' +
  'exists from group having in index inner insert into is join key left like limit not null on ' +
  'or order outer primary references right select set table then union unique update values ' +
  'view when where with');

const kSlashes = { words: kCFamily, comment: '\\/\\/[^\\n]*|\\/\\*[\\s\\S]*?(?:\\*\\/|$)' };
const kHashes = { words: kShell, comment: '#[^\\n]*' };
const kFamilies = new Map([
  ['c cc cpp c++ cxx h hpp cs csharp java js javascript jsx mjs ts typescript tsx go rust rs swift ' +
    'kotlin kt scala dart php css scss json jsonc', kSlashes],
  ['py python python3', { ...kHashes, words: kPython }],
  ['sh bash zsh shell console yaml yml toml ini make makefile cmake dockerfile ruby rb r perl',
    kHashes],
  ['sql sqlite postgres mysql', { words: kSql, comment: '--[^\\n]*', anyCase: true }],
]);
const kByName = new Map();
for (const [names, family] of kFamilies) {
  for (const name of names.split(' ')) kByName.set(name, family);
}

const kStrings =
  '"""[\\s\\S]*?(?:"""|$)|"(?:[^"\\\\\\n]|\\\\.)*"?|\'(?:[^\'\\\\\\n]|\\\\.)*\'?|`(?:[^`\\\\]|\\\\.)*`?';
const kPattern = (comment) =>
  new RegExp(`(${comment})|(${kStrings})|(\\b\\d[\\w.]*)|([A-Za-z_][\\w]*)`, 'g');

/** The text in pieces {kind, text}; kind is '', comment, string, number or keyword. */
export function highlight(text, language) {
  const family = kByName.get(String(language).toLowerCase());
  if (!family || text.length > kLongest) return [{ kind: '', text }];
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(kPattern(family.comment))) {
    const [all, comment, string, number] = match;
    const word = family.anyCase ? all.toLowerCase() : all;
    const kind = comment !== undefined ? 'comment'
      : string !== undefined ? 'string'
      : number !== undefined ? 'number'
      : family.words.has(word) ? 'keyword' : '';
    if (!kind) continue;
    if (match.index > at) pieces.push({ kind: '', text: text.slice(at, match.index) });
    pieces.push({ kind, text: all });
    at = match.index + all.length;
  }
  if (at < text.length) pieces.push({ kind: '', text: text.slice(at) });
  return pieces;
}
