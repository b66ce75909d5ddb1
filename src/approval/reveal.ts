/** A text as it can be trusted to look, and what was found in it. */
export interface Revealed {
  readonly text: string;
  readonly found: readonly Finding[];
}

export type Finding =
  | 'control characters'
  | 'invisible characters'
  | 'characters that change the reading direction'
  | 'characters that look like others'
  | 'bytes that are not UTF-8';

/**
 * Writes as `\u{…}` whatever would not be seen, would be seen elsewhere, or would be taken for something else, so that
 * two different texts never look the same (Unicode TR 36 and TR 39; "Trojan Source", CVE-2021-42574). Line feed and tab
 * stay. Letters that are read from right to left are written so too: they move the punctuation around them. The result
 * is unambiguous: a `\u{` that was there before is written `\u{5c}u{`.
 */
export function reveal(text: string): Revealed {
  if (PLAIN.test(text)) return { text: withoutOwnEscapes(text), found: [] };
  const found = new Set<Finding>();
  let shown = '';
  for (const [word] of text.matchAll(WORD_OR_OTHER)) {
    if (PLAIN.test(word)) {
      shown += withoutOwnEscapes(word);
      continue;
    }
    const isMixed = mixesScripts(word);
    const isKana = KANA.test(word);
    let marks = MARKS_MAX;
    for (const character of word) {
      const isMark = MARK.test(character);
      const belongs = (isMark && marks < MARKS_MAX) || (isKana && KANA_MARK.test(character));
      const finding = belongs ? hidden(character) : judge(character, isMixed);
      if (finding !== null) found.add(finding);
      shown += finding === null ? character : escaped(character);
      // Marks belong to letters of their own script; on a Latin letter, or in a pile, they disguise it.
      if (isMark) marks++;
      else marks = finding === null && NOT_LATIN.test(character) ? 0 : MARKS_MAX;
    }
  }
  return { text: shown, found: [...found] };
}

/** As `reveal`, for bytes: where they are no UTF-8, all that is not printable ASCII is shown byte by byte as `\x{…}`. */
export function revealBytes(bytes: Uint8Array): Revealed {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const ascii = withoutOwnEscapes(Buffer.from(bytes).toString('latin1'));
    const shown = ascii.replaceAll(/[^\n\t\x20-\x7e]/g, (byte) => `\\x{${byte.charCodeAt(0).toString(16)}}`);
    return { text: shown, found: ['bytes that are not UTF-8'] };
  }
  return reveal(text);
}

function judge(character: string, isMixed: boolean): Finding | null {
  if (character === '\n' || character === '\t' || (character >= ' ' && character <= '~')) return null;
  const unseen = hidden(character);
  if (unseen !== null) return unseen;
  if (RIGHT_TO_LEFT.test(character)) return 'characters that change the reading direction';
  if (MARK.test(character) || LOOK_ALIKE.test(character)) return 'characters that look like others';
  if (isMixed && !/\p{Script=Latin}/u.test(character)) return 'characters that look like others';
  // Full-width, mathematical and ligature forms are compatible with ASCII letters.
  return /^[\x00-\x7f]+$/.test(character.normalize('NFKC')) ? 'characters that look like others' : null;
}

function hidden(character: string): Finding | null {
  if (DIRECTION.test(character)) return 'characters that change the reading direction';
  if (/\p{Cc}/u.test(character)) return 'control characters';
  return INVISIBLE.test(character) ? 'invisible characters' : null;
}

/**
 * Latin with another alphabet in one word, or a word made wholly of letters that all have a Latin double. Chinese,
 * Japanese and Korean are written together with Latin (TR 39 §5.2, highly restrictive).
 */
function mixesScripts(word: string): boolean {
  if (/\p{Script=Latin}/u.test(word)) return FOREIGN_TO_LATIN.test(word);
  return LATIN_DOUBLES.test(word);
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function withoutOwnEscapes(text: string): string {
  return text.replaceAll(/\\(?=[ux]\{)/g, '\\u{5c}');
}

/** A backslash stands with what follows it, so that an escape that was written is seen. */
const WORD_OR_OTHER = /[\p{L}\p{M}\p{N}_]+|\\[ux]\{|[^\p{L}\p{M}\p{N}_]/gu;
const PLAIN = /^[\n\t\x20-\x7e]*$/;
const MARK = /\p{M}/u;
const MARKS_MAX = 2;
/** The long-vowel bar is a dash anywhere but in kana. */
const KANA = /[\p{Script=Katakana}\p{Script=Hiragana}]/u;
const KANA_MARK = /[\u3005\u309d\u309e\u30fc-\u30fe]/u;
const NOT_LATIN = /(?!\p{Script=Latin})\p{L}/u;
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
/** Format, private, unassigned and lone surrogates, every space but one, fillers, variation selectors, the Braille blank. */
const INVISIBLE =
  /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\u2800\u3164\uffa0\ufffc\ufffd]/u;
const RIGHT_TO_LEFT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/**
 * Modifier letters, phonetic alphabets, dotless i and j, long s, click letters; digits of other scripts; quotes, dashes,
 * dots, bars, strokes and stars that are not the ones of ASCII.
 */
const LOOK_ALIKE =
  /[\p{Lm}\u00b4\u00b8\u0131\u017f\u0192\u01c0-\u01c3\u0237\u0250-\u02ff\u0589\u05be-\u05c3\u1d00-\u1dbf\u2010-\u205e\u2212\u2215-\u2219\u2223\u2236\u223c\u2500-\u2503\u2571-\u2573\u2758-\u275e\u27e8-\u27eb\u29f8\u29f9\u2e28-\u2e5d\u3001-\u3003\u3008-\u300b\ua4f8-\ua4ff\ua720-\ua721\ua789-\ua78c\ufe10-\ufe6f]|(?![0-9])\p{Nd}/u;
const FOREIGN_TO_LATIN =
  /(?![\p{Script=Latin}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}])\p{L}/u;
/** Cyrillic, Greek and Armenian letters that print like Latin ones (confusables.txt of TR 39), digits and underscores. */
const LATIN_DOUBLES =
  /^[0-9_]*[аАВЕеКМНОоРрСсТУуХхЅѕІіЈјԁԌһԛԜԝґΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυχϲϳοսօհոցզԼՏՍ][аАВЕеКМНОоРрСсТУуХхЅѕІіЈјԁԌһԛԜԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυχϲϳսօհոցզԼՏՍ0-9_]*$/u;
