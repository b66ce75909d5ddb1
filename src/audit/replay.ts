import type { JsonValue } from '../core/json.ts';
import { escapeLine } from './escape.ts';
import type { StoredEntry } from './reader.ts';
import { Timing } from './tail.ts';

/** One line of a replay, and how long after the line before it it is due. */
export interface TimelineLine {
  readonly after_ms: number;
  readonly at: number;
  readonly line: string;
}

/**
 * Turns the recorded bytes of a result, as they were sent to the client, into lines. The record keeps the bytes of the
 * protocol and knows none, so whoever replays brings what reads them.
 */
export type ResultDecoder = (protocol: string, sample: Uint8Array) => readonly string[];

export interface ReplayOptions {
  readonly decode: ResultDecoder;
  /** 1 is as it was, 2 twice as fast; `0` without any waiting. */
  readonly speed?: number;
  /** A pause of more than this is shown as this. */
  readonly pause_ms_max?: number;
}

/** A session's entries as something to read, in order. Sealed fields that are gone are said to be gone. */
export async function* replay(
  entries: AsyncIterable<StoredEntry>,
  options: ReplayOptions,
): AsyncGenerator<TimelineLine> {
  const speed = options.speed ?? 0;
  const timing = new Timing();
  let protocol = '';
  let shownAt: number | null = null;
  for await (const stored of entries) {
    const { at } = stored.entry;
    if (typeof stored.entry.facts.protocol === 'string') protocol = stored.entry.facts.protocol;
    const pause_ms =
      speed === 0 || shownAt === null ? 0 : Math.min((at - shownAt) / speed, options.pause_ms_max ?? PAUSE_MS_MAX);
    shownAt = at;
    let after_ms = pause_ms;
    for (const line of linesOf(stored, protocol, timing, options.decode)) {
      yield { after_ms, at, line };
      after_ms = 0;
    }
  }
}

function* linesOf(stored: StoredEntry, protocol: string, timing: Timing, decode: ResultDecoder): Generator<string> {
  const { entry, sealed } = stored;
  const time = new Date(entry.at).toISOString().slice(11, 23);
  const took_ms = timing.took_ms(entry);
  yield `${time}  ${headline(stored, took_ms)}`;
  if (sealed === null) {
    yield `${INDENT}(${ABSENCE[stored.commitment]})`;
    return;
  }
  if (typeof sealed.text === 'string') for (const line of sealed.text.split('\n')) yield INDENT + escapeLine(line);
  for (const [number, parameter] of items(sealed.parameters).entries())
    yield `${INDENT}$${number + 1} = ${shown(parameter)}`;
  if (typeof sealed.justification === 'string' && sealed.justification !== '') {
    yield `${INDENT}because: ${escapeLine(sealed.justification)}`;
  }
  if (typeof sealed.why === 'string') yield `${INDENT}why: ${escapeLine(sealed.why)}`;
  if (typeof sealed.sample === 'string') {
    for (const line of decode(protocol, Buffer.from(sealed.sample, 'base64'))) yield INDENT + escapeLine(line);
  }
}

function headline(stored: StoredEntry, took_ms: number | null): string {
  const { entry } = stored;
  const rules = entry.rules.length === 0 ? '' : ` by ${entry.rules.join(', ')}`;
  const words = [entry.kind === 'action' ? (entry.verb ?? 'unknown') : entry.kind];
  if (entry.verdict !== null) words.push(`${entry.verdict}${rules}`);
  for (const [name, size] of Object.entries(entry.sizes)) words.push(`${name} ${size}`);
  if (took_ms !== null) words.push(`${took_ms} ms`);
  for (const [name, fact] of Object.entries(entry.facts))
    if (SHOWN_FACTS.has(name) && fact !== null) words.push(`${name} ${fact}`);
  return escapeLine(words.join('  '));
}

function items(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function shown(parameter: JsonValue): string {
  if (typeof parameter === 'object' && parameter !== null && 'value' in parameter)
    return shown(parameter.value ?? null);
  return escapeLine(typeof parameter === 'string' ? `'${parameter}'` : JSON.stringify(parameter));
}

const ABSENCE: Readonly<Record<StoredEntry['commitment'], string>> = {
  fits: 'nothing sealed',
  absent: 'erased, or not copied with the log',
  locked: 'sealed, and the key is not here',
  broken: 'not what the entry commits to: altered',
};
const SHOWN_FACTS: ReadonlySet<string> = new Set(['error', 'tag', 'code', 'result', 'decision', 'request', 'state']);
const INDENT = '              ';
const PAUSE_MS_MAX = 5_000;
