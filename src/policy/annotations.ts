import { GatewayError } from '../core/errors.ts';
import type { EpochMs } from '../core/ids.ts';
import { parseMask } from '../core/mask.ts';
import { CURES, type RuleCure } from './rule.ts';

/** What a rule's annotations say, once their grammar is checked. */
export interface Annotations {
  readonly cure: RuleCure | null;
  readonly observeUntil: EpochMs | null;
  readonly message: string | null;
  readonly hint: string | null;
  readonly record: boolean;
  readonly notify: string | null;
}

export interface AnnotationOptions {
  readonly effect: 'permit' | 'forbid';
  readonly now: EpochMs;
  /** Ways of proving who approves, beyond being logged in, that an approver can use here. */
  readonly strengths: readonly string[];
  /** Where notices can be sent; `undefined`: not known, so not checked. */
  readonly channels: readonly string[] | undefined;
}

type Values = Readonly<Record<string, string | null | undefined>>;

/** Reports every problem through `problem`; what could not be read is as if it were not there. */
export function readAnnotations(
  values: Values,
  options: AnnotationOptions,
  problem: (message: string) => void,
): Annotations {
  const text: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(values)) {
    if (!KNOWN.has(name))
      problem(`unknown annotation @${name} (known: ${[...KNOWN].map((known) => `@${known}`).join(' ')})`);
    else if (value === null || value === undefined || value === '') problem(`@${name} needs a value`);
    else text[name] = value;
  }
  checkPlaces(text, options.effect, problem);
  return {
    cure: readCure(text, options, problem),
    observeUntil: readMode(text, options, problem),
    message: readSentence(text, 'message', problem),
    hint: readSentence(text, 'hint', problem),
    record: readRecord(text, problem),
    notify: readNotify(text, options, problem),
  };
}

type Texts = Readonly<Record<string, string | undefined>>;
type Report = (message: string) => void;

function checkPlaces(text: Texts, effect: 'permit' | 'forbid', problem: Report): void {
  if (effect === 'permit' && text.cure !== undefined) problem('only a forbid can have a cure');
  if (effect === 'permit' && text.mode !== undefined) {
    problem('@mode on a permit: only what refuses, holds or masks can be observed; leave the permit out instead');
  }
  for (const name of ['record', 'notify']) {
    if (effect === 'forbid' && text[name] !== undefined) problem(`@${name} belongs on a permit`);
  }
  for (const [name, cure] of Object.entries(BELONGS_TO)) {
    if (text[name] !== undefined && text.cure !== cure) problem(`@${name} belongs beside @cure("${cure}")`);
  }
  if (text.until !== undefined && text.mode === undefined) problem('@until belongs beside @mode("observe")');
}

function readCure(text: Texts, options: AnnotationOptions, problem: Report): RuleCure | null {
  switch (text.cure) {
    case undefined:
      return null;
    case 'mask':
      return readMask(text, problem);
    case 'limit-rows':
      return readLimit(text, problem);
    case 'justification':
      return { kind: 'justification' };
    case 'analyzer':
      return { kind: 'analyzer', profile: text.profile ?? 'default' };
    case 'step-up':
      return { kind: 'step-up' };
    case 'approval':
      return readApproval(text, options, problem);
    default:
      problem(`unknown cure "${text.cure}" (known: ${CURES.join(', ')})`);
      return null;
  }
}

function readMask(text: Texts, problem: Report): RuleCure | null {
  if (text.mask === undefined) {
    problem('@cure("mask") needs @mask');
    return null;
  }
  try {
    return { kind: 'mask', mask: parseMask(text.mask) };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    problem(error.message);
    return null;
  }
}

function readLimit(text: Texts, problem: Report): RuleCure | null {
  if (text.rows === undefined || !/^[1-9]\d{0,14}$/.test(text.rows)) {
    problem('@cure("limit-rows") needs @rows, a whole number from 1');
    return null;
  }
  return { kind: 'limit-rows', rows_max: Number(text.rows) };
}

/** `a,b`: any of them; `a+b`: each of them. */
function readApproval(text: Texts, options: AnnotationOptions, problem: Report): RuleCure | null {
  const approvers = (text.approvers ?? '').split(',').map((part) => part.split('+').map((group) => group.trim()));
  const named = approvers.every((groups) => groups.every((group) => group !== ''));
  if (!named) problem('@cure("approval") needs @approvers: groups, "a,b" for any of them, "a+b" for each of them');
  const count = /^[1-9]\d?$/.test(text.count ?? '1') ? Number(text.count ?? '1') : null;
  if (count === null) problem(`@count("${text.count}") is not a whole number from 1 to 99`);
  const within_ms = readDuration(text.within ?? '30m');
  if (within_ms === null || within_ms > WITHIN_MAX_MS) {
    problem(`@within("${text.within}") is not a time like 90s, 30m, 12h or 7d, of at most 7 days`);
  }
  if (text.strength !== undefined && !options.strengths.includes(text.strength)) {
    const known =
      options.strengths.length === 0
        ? 'nobody can prove more than a login here'
        : `known: ${options.strengths.join(', ')}`;
    problem(`@strength("${text.strength}") cannot be fulfilled (${known})`);
  }
  return named && count !== null && within_ms !== null ? { kind: 'approval', approvers, count, within_ms } : null;
}

function readDuration(text: string): number | null {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  const unit_ms = UNITS_MS[match?.[2] ?? ''];
  return match === null || unit_ms === undefined ? null : Number(match[1]) * unit_ms;
}

/** `@until` is a date; it ends with that day, in UTC. */
function readMode(text: Texts, options: AnnotationOptions, problem: Report): EpochMs | null {
  if (text.mode === undefined) return null;
  if (text.mode === 'enforce') return null;
  if (text.mode !== 'observe') {
    problem(`unknown mode "${text.mode}" (known: enforce, observe)`);
    return null;
  }
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text.until ?? '') ? Date.parse(`${text.until}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== text.until) {
    problem('@mode("observe") needs @until, a date like 2027-01-31');
    return null;
  }
  if (day - options.now > OBSERVE_MAX_MS) problem(`@until("${text.until}") is more than 90 days away`);
  return day + DAY_MS;
}

function readSentence(text: Texts, name: 'message' | 'hint', problem: Report): string | null {
  const value = text[name];
  if (value === undefined) return null;
  if (value.length > SENTENCE_MAX || /\p{Cc}|\p{Cf}/u.test(value)) {
    problem(`@${name} is longer than ${SENTENCE_MAX} characters or has control characters`);
  }
  return value;
}

function readRecord(text: Texts, problem: Report): boolean {
  if (text.record !== undefined && text.record !== 'full') problem(`unknown record "${text.record}" (known: full)`);
  return text.record === 'full';
}

function readNotify(text: Texts, options: AnnotationOptions, problem: Report): string | null {
  if (text.notify === undefined) return null;
  if (options.channels !== undefined && !options.channels.includes(text.notify)) {
    problem(`unknown channel "${text.notify}" (known: ${options.channels.join(', ') || 'none'})`);
  }
  return text.notify;
}

const BELONGS_TO: Readonly<Record<string, string>> = {
  approvers: 'approval',
  count: 'approval',
  within: 'approval',
  strength: 'approval',
  rows: 'limit-rows',
  profile: 'analyzer',
  mask: 'mask',
};
const KNOWN = new Set([
  ...['id', 'message', 'hint', 'cure', ...Object.keys(BELONGS_TO)],
  ...['mode', 'until', 'record', 'notify'],
]);
const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DAY_MS = 86_400_000;
const WITHIN_MAX_MS = 7 * DAY_MS;
const OBSERVE_MAX_MS = 90 * DAY_MS;
const SENTENCE_MAX = 500;
