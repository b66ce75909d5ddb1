import type { JsonObject, JsonValue } from '../core/json.ts';
import { isIdentifier, shown } from './claims.ts';

export type Requirements = Readonly<Record<string, string | readonly string[]>>;

/** Why a workload's claims are not the ones required, or `null`. Values are compared whole: no patterns, no case folding. */
export function unmetRequirement(claims: JsonObject, require: Requirements): string | null {
  for (const [name, wanted] of Object.entries(require)) {
    const claim = ownClaim(claims, name);
    const value = scalar(claim);
    const accepted = typeof wanted === 'string' ? [wanted] : wanted;
    if (value === null || !accepted.includes(value)) {
      return `claim ${name} is ${shown(claim)}, required ${shown(accepted)}`;
    }
  }
  return null;
}

/**
 * `ci:{repository_id}` with the token's claims. In a value, whatever the template itself uses as punctuation is escaped:
 * two different sets of claims never give one subject. `null`: a claim is missing.
 */
export function subjectFrom(template: string, claims: JsonObject): string | null {
  const punctuation = new Set(template.replace(PLACEHOLDER, '').replace(/[\p{L}\p{N}]/gu, ''));
  let missing = false;
  const subject = template.replace(PLACEHOLDER, (_, name: string) => {
    const value = scalar(ownClaim(claims, name));
    if (value === null || value === '') missing = true;
    return escaped(value ?? '', punctuation);
  });
  return missing || !isIdentifier(subject) ? null : subject;
}

/** The claims a template names, in order. */
export function placeholders(template: string): readonly string[] {
  return [...template.matchAll(PLACEHOLDER)].map((match) => match[1] ?? '');
}

/** Claims that every object inherits (`constructor`) are not the token's. */
export function ownClaim(claims: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/** Claims that are lists or objects have no single value; a large number would not survive being a number. */
export function scalar(value: JsonValue | undefined): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isSafeInteger(value))) return String(value);
  return null;
}

function escaped(value: string, punctuation: ReadonlySet<string>): string {
  let text = '';
  for (const character of value) {
    text += character === '%' || punctuation.has(character) ? percentEncoded(character) : character;
  }
  return text;
}

function percentEncoded(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('');
}

const PLACEHOLDER = /\{([^{}]+)\}/g;
