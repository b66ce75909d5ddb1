import type { LogEntry } from './entry.ts';
import { escapeLine } from './escape.ts';
import type { Sealed } from './stage.ts';

/**
 * One entry on one line: when, who, where, what, the verdict with its rule, how much and how long, and the beginning of
 * the text. Nothing of it is trusted: every field may hold what somebody typed.
 */
export function tailLine(entry: LogEntry, sealed: Sealed | null, took_ms: number | null = null): string {
  const fields = [
    new Date(entry.at).toISOString(),
    entry.principal ?? '-',
    entry.target ?? '-',
    entry.kind === 'action' ? (entry.verb ?? 'unknown') : entry.kind,
    verdictOf(entry),
    amountOf(entry, took_ms),
  ];
  const text = textOf(entry, sealed);
  const line = fields.map((field) => escapeLine(field, FIELD_CHARACTERS_MAX)).join('  ');
  return text === '' ? line : `${line}  ${escapeLine(text, TEXT_CHARACTERS_MAX)}`;
}

function verdictOf(entry: LogEntry): string {
  if (entry.verdict === null) return '-';
  return entry.rules.length === 0 ? entry.verdict : `${entry.verdict} ${entry.rules.join(',')}`;
}

function amountOf(entry: LogEntry, took_ms: number | null): string {
  const parts: string[] = [];
  if (entry.sizes.rows !== undefined) parts.push(`${entry.sizes.rows} rows`);
  if (entry.sizes.masked !== undefined && entry.sizes.masked > 0) parts.push(`${entry.sizes.masked} masked`);
  if (took_ms !== null) parts.push(`${took_ms} ms`);
  return parts.length === 0 ? '-' : parts.join(' ');
}

function textOf(entry: LogEntry, sealed: Sealed | null): string {
  if (typeof sealed?.text === 'string') return sealed.text;
  if (typeof entry.facts.error === 'string') return `error ${entry.facts.error}`;
  if (typeof sealed?.why === 'string') return sealed.why;
  return typeof entry.facts.code === 'string' ? entry.facts.code : '';
}

/** Puts results to their actions, so that live lines can say how long each took. Remembers a limited number. */
export class Timing {
  readonly #startedAt = new Map<number, number>();

  /** How long the action took whose result this entry is; `null` for any other entry. */
  took_ms(entry: LogEntry): number | null {
    if (entry.kind === 'action') {
      this.#startedAt.set(entry.seq, entry.at);
      if (this.#startedAt.size > ACTIONS_MAX) this.#startedAt.delete(this.#startedAt.keys().next().value ?? -1);
    }
    if (entry.kind !== 'result' || entry.of === null) return null;
    const startedAt = this.#startedAt.get(entry.of);
    this.#startedAt.delete(entry.of);
    return startedAt === undefined ? null : entry.at - startedAt;
  }
}

const TEXT_CHARACTERS_MAX = 120;
const FIELD_CHARACTERS_MAX = 80;
const ACTIONS_MAX = 10_000;
