import { hash } from 'node:crypto';
import type { Action } from '../core/action.ts';
import type { Circumstances } from './question.ts';
import type { Given } from './stage.ts';

/** What a kept decision can depend on besides who asks and what is done. */
export interface Dependence {
  readonly time: boolean;
  readonly address: boolean;
  readonly opaque: boolean;
  readonly approvedBy: boolean;
  readonly analyzedBy: boolean;
  readonly justification: boolean;
  readonly text: boolean;
  /** It depends on something that has no place in a key: nothing is kept. */
  readonly uncertain: boolean;
}

/** Who is asking: the numbers of the classes of a principal and everyone it acts for. */
export type Who = string | number;

interface Entry<Value> {
  readonly target: string;
  readonly protocol: string;
  readonly dependence: Dependence;
  /** Where it depends on nothing. */
  readonly only: Value | null;
  readonly byKey: Map<string, Value>;
}

/**
 * Decisions that were made before, by the identity of their subject: the same classification object means the same
 * statement shape on the same catalogue, the same number the same groups and claims; a key holds the rest of what the
 * rules in question read.
 */
export class Verdicts<Subject extends object, Value> {
  #kept = new WeakMap<Subject, Map<Who, Entry<Value>>>();
  #count = 0;
  readonly #max: number;

  constructor(verdicts_max: number) {
    this.#max = verdicts_max;
  }

  find(subject: Subject, who: Who, action: Action, given: Given, opaque: boolean): Value | null {
    const entry = this.#kept.get(subject)?.get(who);
    if (entry === undefined || entry.target !== action.target || entry.protocol !== action.protocol) return null;
    return entry.only ?? entry.byKey.get(keyOf(action, given, opaque, entry.dependence)) ?? null;
  }

  keep(
    subject: Subject,
    who: Who,
    circumstances: Circumstances & { action: Action },
    on: Dependence,
    value: Value,
  ): void {
    if (on.uncertain) return;
    if (++this.#count > this.#max) this.forget();
    const { action, given, opaque } = circumstances;
    const { target, protocol } = action;
    let entries = this.#kept.get(subject);
    if (entries === undefined) this.#kept.set(subject, (entries = new Map()));
    const known = entries.get(who);
    const same = known !== undefined && known.target === target && known.protocol === protocol;
    const byKey = same && known.byKey.size < KEYS_MAX ? known.byKey : new Map<string, Value>();
    byKey.set(keyOf(action, given, opaque, on), value);
    const only = Object.values(on).includes(true) ? null : value;
    entries.set(who, { target, protocol, dependence: on, only, byKey });
  }

  forget(): void {
    this.#kept = new WeakMap();
    this.#count = 0;
  }
}

/** What the attributes that rules read mean for the key. `fixed` names facts that belong to the subject. */
export function dependenceOf(reads: ReadonlySet<string>, fixed: (name: string) => boolean): Dependence {
  return {
    time: ['now', 'minuteOfDay', 'weekday'].some((name) => reads.has(name)),
    address: reads.has('clientIp'),
    opaque: reads.has('opaque'),
    approvedBy: reads.has('approvedBy'),
    analyzedBy: reads.has('analyzedBy'),
    justification: reads.has('justification'),
    text: reads.has('statement') || reads.has('text'),
    uncertain: [...reads].some((name) => !KEYED.has(name) && !fixed(name)),
  };
}

/** Every part ends where it must: lists are JSON, and texts of clients come after their length. */
function keyOf(action: Action, given: Given, opaque: boolean, on: Dependence): string {
  let key = '';
  if (on.time) key += `${Math.floor(given.now / MINUTE_MS)};`;
  if (on.opaque) key += opaque ? '1;' : '0;';
  if (on.address) key += texted(action.session.clientAddress);
  if (on.approvedBy) key += given.approvedBy.length === 0 ? ';' : JSON.stringify(given.approvedBy);
  if (on.analyzedBy) key += given.analyzedBy.length === 0 ? ';' : JSON.stringify(given.analyzedBy);
  if (on.justification) key += texted(given.justification);
  if (on.text) key += hash('sha256', action.text);
  return key;
}

function texted(text: string): string {
  return `${text.length}:${text}`;
}

/** Attributes that are in the key, or the same for every action on one subject, target and protocol. */
const KEYED = new Set([
  ...['now', 'minuteOfDay', 'weekday', 'clientIp', 'opaque'],
  ...['approvedBy', 'analyzedBy', 'justification', 'statement', 'text'],
  ...[
    'protocol',
    'rowsMax',
    'comparison',
    'inTransaction',
    'presenceSeconds',
    'spent',
    'seen',
    'endUser',
    'endUserProof',
  ],
]);
const MINUTE_MS = 60_000;
const KEYS_MAX = 256;
