import { GatewayError } from '../core/errors.ts';
import type { EntryIndex } from '../core/ids.ts';
import type { JsonValue } from '../core/json.ts';
import type { Envelope, Sealed } from './stage.ts';

/** An entry as it lies in the tree. */
export interface LogEntry extends Envelope {
  readonly v: 1;
  readonly seq: EntryIndex;
  /** What the clock said where it had gone backwards: `at` never does. */
  readonly clock: number | null;
  /** Fields that were too long for an entry, with the length or count they had; whole they are in the sealed part. */
  readonly cut: Readonly<Record<string, number>>;
  /** SHA-256(32 random bytes ‖ sealed part), in hexadecimal. */
  readonly commitment: string;
}

/** Where an entry stands: what the log adds to an envelope. */
export interface Place {
  readonly seq: EntryIndex;
  readonly at: number;
  readonly clock: number | null;
}

/**
 * The text of an entry up to its commitment, which comes last because it is known last. The keys always come in this
 * order, and those that say nothing (`clock`, `cut`) are left out.
 */
export function entryHead(envelope: Envelope, place: Place, cut: Readonly<Record<string, number>> | null): string {
  const clock = place.clock === null ? '' : `,"clock":${place.clock}`;
  const marker = cut === null ? '' : `,"cut":${object(cut)}`;
  return (
    `{"v":1,"seq":${place.seq},"at":${place.at}${clock},"kind":"${envelope.kind}",${whoAndWhere(envelope)}` +
    `,"verb":${text(envelope.verb)},"resources":${known(envelope.resources)},"verdict":${text(envelope.verdict)}` +
    `,"rules":${list(envelope.rules)},"sizes":${object(envelope.sizes)},"of":${envelope.of === null ? 'null' : number(envelope.of)}` +
    `,"facts":${object(envelope.facts)}${marker},"commitment":"`
  );
}

export const ENTRY_TAIL = '"}';

/** An envelope that is too long for an entry, shortened, with the names of what was cut and the whole of it to be sealed. */
export interface Shortened {
  readonly envelope: Envelope;
  readonly cut: Readonly<Record<string, number>>;
  readonly sealed: JsonValue;
}

/**
 * Cuts long strings and lists. Nothing is lost (what is cut moves to the sealed part) and nothing vanishes quietly: the
 * entry says what was cut and how long it was.
 */
export function shorten(envelope: Envelope, step: CutStep): Shortened {
  const cut: Record<string, number> = {};
  const whole: Record<string, JsonValue> = {};
  const string = (name: string, value: string | null): string | null => {
    if (value === null || value.length <= step.characters_max) return value;
    cut[name] = value.length;
    whole[name] = value;
    // Not through the middle of a character: half of a pair is no text.
    return `${value.slice(0, step.characters_max).replace(/[\ud800-\udbff]$/, '')}…`;
  };
  const strings = (name: string, values: readonly string[]): readonly string[] => {
    const short = values.slice(0, step.items_max).map((value) => string(name, value) ?? '');
    if (values.length > step.items_max || cut[name] !== undefined) {
      cut[name] = values.length;
      whole[name] = values;
    }
    return short;
  };
  const record = <Value extends string | number | boolean | null>(
    name: string,
    values: Readonly<Record<string, Value>>,
  ) => {
    const short: Record<string, Value | string | null> = {};
    const keys = Object.keys(values);
    for (const key of keys.slice(0, step.items_max)) {
      const value = values[key];
      const shortKey = string(name, key) ?? '';
      short[shortKey] = typeof value === 'string' ? string(name, value) : (value ?? null);
    }
    if (keys.length > step.items_max || cut[name] !== undefined) {
      cut[name] = keys.length;
      whole[name] = values;
    }
    return short;
  };
  const shortened: Envelope = {
    ...envelope,
    principal: string('principal', envelope.principal),
    target: string('target', envelope.target),
    verb: string('verb', envelope.verb),
    resources: strings('resources', envelope.resources),
    rules: strings('rules', envelope.rules),
    // The values of sizes are numbers and are never cut, so they are numbers still.
    sizes: record('sizes', envelope.sizes) as Readonly<Record<string, number>>,
    facts: record('facts', envelope.facts),
  };
  return { envelope: shortened, cut, sealed: whole };
}

export interface CutStep {
  readonly characters_max: number;
  readonly items_max: number;
}

/** Tried in order. By the last one an entry of nothing but control characters, six bytes each, is below 60 KiB. */
export const CUT_STEPS: readonly CutStep[] = [
  { characters_max: 1024, items_max: 128 },
  { characters_max: 256, items_max: 32 },
  { characters_max: 64, items_max: 8 },
];

/** The sealed part as text. `blobs` and `cut` are the log's own names; nobody else may seal under them. */
export function sealedText(sealed: Sealed): string {
  let body = '';
  for (const name in sealed) {
    if (name === BLOBS || name === CUT) throw new Error(`'${name}' is not a name to seal under`);
    const value = sealed[name];
    if (value === undefined) continue;
    body += `${body === '' ? '{' : ','}${key(name)}${typeof value === 'string' ? quote(value) : JSON.stringify(value)}`;
  }
  return body === '' ? '{}' : `${body}}`;
}

export const BLOBS = 'blobs';
export const CUT = 'cut';

/** Reads an entry strictly: what this log writes, and nothing else. */
export function parseEntry(bytes: Uint8Array): LogEntry {
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(bytes));
  } catch (error) {
    throw new GatewayError(
      'RECORD_BROKEN',
      `an entry is not JSON: ${error instanceof Error ? error.message : 'unreadable'}`,
    );
  }
  if (!isEntry(value)) throw new GatewayError('RECORD_BROKEN', 'an entry lacks a field or has one of another type');
  return { ...value, clock: value.clock ?? null, cut: value.cut ?? {} };
}

function isEntry(value: unknown): value is LogEntry {
  if (!isRecord(value) || value.v !== 1) return false;
  const nullable = [value.session, value.run, value.principal, value.target, value.verb, value.verdict];
  return (
    [value.seq, value.at].every(Number.isSafeInteger) &&
    typeof value.kind === 'string' &&
    nullable.every((field) => field === null || typeof field === 'string') &&
    [value.resources, value.rules].every(
      (field) => Array.isArray(field) && field.every((item) => typeof item === 'string'),
    ) &&
    isRecord(value.sizes) &&
    isRecord(value.facts) &&
    (value.of === null || Number.isSafeInteger(value.of)) &&
    (value.clock === undefined || Number.isSafeInteger(value.clock)) &&
    (value.cut === undefined || isRecord(value.cut)) &&
    typeof value.commitment === 'string' &&
    /^[0-9a-f]{64}$/.test(value.commitment)
  );
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON string. What is plain ASCII, as almost everything is, needs no escaping. */
export function quote(value: string): string {
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
}

/** It is the same in every entry of a session, so that it is made once for most of them. */
function whoAndWhere({ session, run, principal, target }: Envelope): string {
  const found = session === null ? undefined : identities.get(session);
  if (found?.run === run && found.principal === principal && found.target === target) return found.json;
  const json = `"session":${text(session)},"run":${text(run)},"principal":${text(principal)},"target":${text(target)}`;
  if (session === null) return json;
  if (identities.size >= IDENTITIES_MAX) identities.clear();
  identities.set(session, { run, principal, target, json });
  return json;
}

/** The resources of one statement that is asked again and again are one list. Nobody changes it: it is read-only. */
function known(values: readonly string[]): string {
  if (values.length === 0) return '[]';
  let json = lists.get(values);
  if (json === undefined) {
    json = list(values);
    lists.set(values, json);
  }
  return json;
}

/** `"name":`, of the few names there are. */
function key(name: string): string {
  let json = keys.get(name);
  if (json === undefined) {
    json = `${quote(name)}:`;
    if (keys.size < KEYS_MAX) keys.set(name, json);
  }
  return json;
}

function text(value: string | null): string {
  return value === null ? 'null' : quote(value);
}

function list(values: readonly string[]): string {
  if (values.length === 0) return '[]';
  let body = '';
  for (const value of values) body += body === '' ? quote(value) : `,${quote(value)}`;
  return `[${body}]`;
}

function object(values: Readonly<Record<string, string | number | boolean | null>>): string {
  let body = '';
  for (const name in values) {
    const value = values[name];
    if (value === undefined) continue;
    const json = typeof value === 'string' ? quote(value) : typeof value === 'number' ? number(value) : String(value);
    body += body === '' ? key(name) + json : `,${key(name)}${json}`;
  }
  return `{${body}}`;
}

/** JSON has no NaN and no infinity; an entry with either would be unreadable for ever. */
function number(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}

interface Identity extends Pick<Envelope, 'run' | 'principal' | 'target'> {
  readonly json: string;
}

const identities = new Map<string, Identity>();
const lists = new WeakMap<readonly string[], string>();
const keys = new Map<string, string>();
const IDENTITIES_MAX = 1_000;
const KEYS_MAX = 1_000;
const PLAIN = /^[ !#-[\]-~]*$/;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
