// Reads attached files: text only, up to a limit, in UTF-8 or the encodings of older Japanese files.

export const kLargestFile = 1000000;  // bytes

function decoded(bytes) {
  const bom16 = bytes.length > 1 && bytes[0] + bytes[1] === 0xff + 0xfe;
  if (bom16 && bytes[0] === 0xff) return new TextDecoder('utf-16le').decode(bytes);
  if (bom16 && bytes[0] === 0xfe) return new TextDecoder('utf-16be').decode(bytes);
  if (bytes.includes(0)) return null;
  // Shift_JIS takes almost any bytes; a Japanese text has kana.
  for (const encoding of ['utf-8', 'euc-jp', 'shift_jis', 'windows-1252']) {
    try {
      const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
      if (!encoding.includes('jp') && encoding !== 'shift_jis') return text;
      if (/[\u3041-\u30fe]/.test(text)) return text;
    } catch {
      // The next encoding.
    }
  }
  return null;
}

/** The text of the bytes, lines ending in \n, or null when they are no text. */
export function textOf(bytes) {
  const text = decoded(bytes);
  if (text === null || /[\x01-\x08\x0e-\x1a\x1c-\x1f]/.test(text)) return null;
  return text.replaceAll('\r\n', '\n');
}

/** A guess for when the server does not count: about 4 letters a token, Japanese 1 character. */
export function guessTokens(text) {
  let narrow = 0;
  for (let i = 0; i < text.length; i++) narrow += text.charCodeAt(i) < 0x250 ? 1 : 0;
  return Math.ceil(narrow / 4 + (text.length - narrow));
}
