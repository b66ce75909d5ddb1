import type { Action, Parameter } from '../core/action.ts';
import { GatewayError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import { reveal, revealBytes } from './reveal.ts';
import type { RequestView } from './stage.ts';

export interface Rendered {
  readonly statements: RequestView['statements'];
  readonly findings: readonly string[];
}

/**
 * What an approver is shown: every statement exactly, once for each distinct text, with all its parameters. What cannot
 * be shown whole cannot be approved, so it is refused here, before anybody is asked.
 */
export function render(
  actions: readonly Action[],
  limits: Pick<Limits, 'shown_text_bytes_max' | 'shown_request_bytes_max'>,
): Rendered {
  const findings = new Set<string>();
  const statements = new Map<string, { text: string; times: number; parameters: (readonly string[])[] }>();
  let total_bytes = 0;
  const show = (bytes: Uint8Array, what: string, as: (bytes: Uint8Array) => string): string => {
    if (bytes.byteLength > limits.shown_text_bytes_max) {
      throw unshowable(`${what} of ${bytes.byteLength} bytes`, limits.shown_text_bytes_max);
    }
    const shown = as(bytes);
    total_bytes += Buffer.byteLength(shown);
    if (total_bytes > limits.shown_request_bytes_max) {
      throw unshowable(`a request of more than ${total_bytes - 1} bytes`, limits.shown_request_bytes_max);
    }
    return shown;
  };
  const revealed = (bytes: Uint8Array): string => {
    const { text, found } = revealBytes(bytes);
    for (const finding of found) findings.add(finding);
    return text;
  };
  for (const action of actions) {
    // One text under two kinds of message is two statements: a bind and a parse do not do the same.
    const key = `${action.kind}\0${Buffer.from(action.text).toString('latin1')}`;
    let statement = statements.get(key);
    if (statement === undefined) {
      statement = { text: show(action.text, 'a statement', revealed), times: 0, parameters: [] };
      statements.set(key, statement);
    }
    statement.times++;
    if (action.parameters.length === 0) continue;
    statement.parameters.push(
      action.parameters.map((parameter) =>
        parameter.value === null
          ? 'NULL'
          : show(parameter.value, 'a parameter', () => renderParameter(parameter, revealed)),
      ),
    );
  }
  return { statements: [...statements.values()], findings: [...findings] };
}

/** Text in quotes, so that it cannot be taken for NULL or for bytes; bytes in hexadecimal. */
function renderParameter({ format, value }: Parameter, revealed: (bytes: Uint8Array) => string): string {
  if (value === null) return 'NULL';
  if (format === 'binary') return `\\x${Buffer.from(value).toString('hex')}`;
  return `'${revealed(value).replaceAll("'", "''")}'`;
}

/** Text from people and clients that stands beside the statements. */
export function renderNote(text: string): string {
  return reveal(text.toWellFormed()).text;
}

function unshowable(what: string, bytes_max: number): GatewayError {
  return new GatewayError('APPROVAL_UNAVAILABLE', `${what} cannot be shown whole to an approver, limit ${bytes_max}`, {
    bytes_max,
  });
}
