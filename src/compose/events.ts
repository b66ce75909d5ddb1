import type { RecordEvent } from '../api/contract.ts';
import type { LogEntry } from '../audit/entry.ts';
import type { Sealed } from '../audit/stage.ts';
import type { JsonValue } from '../core/json.ts';

/** An entry as people read it. Where literals of classified columns stand in the text, the text without them is shown. */
export function eventOf(entry: LogEntry, sealed: Sealed | null): RecordEvent {
  return {
    entry: entry.seq,
    at: entry.at,
    kind: entry.kind,
    session: entry.session,
    principal: entry.principal,
    target: entry.target,
    verb: entry.verb,
    verdict: entry.verdict,
    rules: [...entry.rules],
    resources: [...entry.resources],
    text: textOf(sealed),
    code: stringOf(entry.facts.code) ?? stringOf(entry.facts.error),
    message: stringOf(sealed?.why) ?? stringOf(entry.facts.tag),
    sizes: { ...entry.sizes },
    facts: { ...entry.facts },
    of: entry.of,
  };
}

function textOf(sealed: Sealed | null): string | null {
  const shown = stringOf(sealed?.shown);
  if (shown !== null) return shown;
  const text = stringOf(sealed?.text);
  const parameters = sealed?.parameters;
  if (text === null || !Array.isArray(parameters) || parameters.length === 0) return text;
  return `${text} -- ${parameters.map((value: JsonValue, index) => `$${index + 1} = ${literal(value)}`).join(', ')}`;
}

function literal(value: JsonValue): string {
  if (value === null) return 'NULL';
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : JSON.stringify(value);
}

function stringOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
