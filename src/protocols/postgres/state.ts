import { decodeBackend } from './codec-backend.ts';
import { encodeFrontend } from './codec-frontend.ts';
import type { Listener } from './ledger.ts';
import { DATA_ROW } from './tags.ts';

/**
 * Session state that changes what a text means. It cannot be tracked from texts (SET is undone by ROLLBACK, done by
 * functions, ended by COMMIT), so after anything that may have changed it the server is asked.
 */
export interface Meaning {
  readonly role: string;
  readonly sessionUser: string;
  /** Effective, implicit pg_catalog not named; a session's temporary schema stands where it is searched. */
  readonly searchPath: readonly string[];
  readonly standardConformingStrings: boolean;
  readonly readOnly: boolean;
  /** All of it as one string, as `ActionDraft.state` carries it. */
  readonly canonical: string;
}

export class SessionState implements Listener {
  /** `null`: not known. */
  current: Meaning | null = null;
  /** Counts up whenever names may mean something else than before. */
  version = 0;
  /** This session has made relations, temporary ones or in a transaction that is still open: nobody else sees those. */
  madeObjects = false;
  /** The answer is on its way. */
  asked = false;
  private answer: Meaning | null = null;
  private outdated = false;
  private changedInTransaction = false;
  private readonly onAnswer: () => void;

  constructor(onAnswer: () => void) {
    this.onAnswer = onAnswer;
  }

  /** Something that may have changed it was sent. */
  forget(inTransaction: boolean): void {
    this.current = null;
    this.version += 1;
    if (this.asked) this.outdated = true;
    if (inTransaction) this.changedInTransaction = true;
  }

  /** No transaction is open any more: SET LOCAL has ended, and SET too where it was rolled back. */
  transactionEnded(): void {
    if (!this.changedInTransaction) return;
    this.changedInTransaction = false;
    this.forget(false);
  }

  row(body: Buffer): void {
    const message = decodeBackend(DATA_ROW, body);
    if (message.type === 'data-row') this.answer = meaningOf(message.values);
  }

  done(succeeded: boolean): void {
    if (!this.asked) return;
    this.asked = false;
    if (succeeded && !this.outdated && this.answer !== null) this.current = this.answer;
    this.outdated = false;
    this.answer = null;
    this.onAnswer();
  }
}

/**
 * The question, as the messages of a pipeline of its own. Statement and portal have a name of the gateway's and are closed
 * before and after, so that it disturbs nothing of the client's, whatever DISCARD or DEALLOCATE did. Every name in it is
 * qualified: the search path it asks about cannot change what it means.
 */
export function stateQuery(name: string): Buffer {
  return Buffer.concat([
    encodeFrontend({ type: 'close', what: 'statement', name }),
    encodeFrontend({ type: 'parse', statement: name, text: Buffer.from(QUESTION), parameterTypes: [] }),
    bindWithoutParameters(name),
    encodeFrontend({ type: 'execute', portal: name, rowsMax: 0 }),
    encodeFrontend({ type: 'close', what: 'portal', name }),
    encodeFrontend({ type: 'close', what: 'statement', name }),
    encodeFrontend({ type: 'sync' }),
  ]);
}

/** A portal of the statement of the same name, everything as text. */
export function bindWithoutParameters(name: string): Buffer {
  const [parameterFormats, parameters, resultFormats] = [[], [], []];
  return encodeFrontend({ type: 'bind', portal: name, statement: name, parameterFormats, parameters, resultFormats });
}

/** What its messages are answered with, in order. */
export const STATE_ANSWERS = ['close', 'parse', 'bind', 'execute', 'close', 'close', 'sync'] as const;

function meaningOf(values: readonly (Buffer | null)[]): Meaning | null {
  const [role, sessionUser, all, explicit, strings, readOnly] = values.map((value) => value?.toString('utf8'));
  const everything = names(all);
  const named = names(explicit);
  if (role === undefined || sessionUser === undefined || everything === null || named === null) return null;
  const searchPath = named.includes('pg_catalog') ? everything : everything.filter((name) => name !== 'pg_catalog');
  const standardConformingStrings = strings === 'on';
  const canonical = JSON.stringify([role, sessionUser, searchPath, strings, readOnly]);
  return { role, sessionUser, searchPath, standardConformingStrings, readOnly: readOnly === 'on', canonical };
}

function names(text: string | undefined): string[] | null {
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((name) => typeof name === 'string') ? value : null;
  } catch {
    return null;
  }
}

const QUESTION =
  'SELECT CURRENT_USER, SESSION_USER, ' +
  'pg_catalog.array_to_json(pg_catalog.current_schemas(true)), ' +
  'pg_catalog.array_to_json(pg_catalog.current_schemas(false)), ' +
  "pg_catalog.current_setting('standard_conforming_strings'), " +
  "pg_catalog.current_setting('transaction_read_only')";
