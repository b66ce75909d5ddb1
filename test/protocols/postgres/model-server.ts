import type {
  BackendMessage,
  ErrorFields,
  FrontendMessage,
  TransactionStatus,
} from '../../../src/protocols/postgres/messages.ts';
import { complete, described, ready, row } from './playbook.ts';

/**
 * PostgreSQL's protocol, as small as it can be and still be wrong in every way that matters: transactions explicit and
 * implicit, names, skipping to Sync, suspended portals. Texts say what they do: `rows 3`, `fail` (when run), `bad` (when
 * parsed), `begin`, `commit`, `rollback`, `set x`; and `forbidden`, which fails where the gateway would refuse it.
 */
export class ModelServer {
  private explicit = false;
  private aborted = false;
  private skipping = false;
  private readonly statements = new Map<string, string>();
  private readonly portals = new Map<string, ModelPortal>();
  private readonly forbidden: 'parse' | 'bind' | 'never';

  /** Where `forbidden` fails; a server behind the gateway never sees one. */
  constructor(forbidden: 'parse' | 'bind' | 'never') {
    this.forbidden = forbidden;
  }

  handle(message: FrontendMessage): readonly BackendMessage[] {
    if (this.skipping && message.type !== 'sync') return [];
    try {
      return this.answer(message);
    } catch (fault) {
      if (!(fault instanceof ServerError)) throw fault;
      this.abort();
      if (message.type === 'query') return [...fault.before, errorOf(fault), ready(this.status)];
      this.skipping = true;
      return [...fault.before, errorOf(fault)];
    }
  }

  private get status(): TransactionStatus {
    if (!this.explicit) return 'I';
    return this.aborted ? 'E' : 'T';
  }

  private answer(message: FrontendMessage): readonly BackendMessage[] {
    switch (message.type) {
      case 'query':
        return this.query(message.text.toString());
      case 'parse':
        this.parse(message.statement, message.text.toString());
        return [{ type: 'parse-complete' }];
      case 'bind':
        this.bind(message.portal, message.statement);
        return [{ type: 'bind-complete' }];
      case 'describe':
        return this.describe(message.what, message.name);
      case 'execute':
        return this.execute(message.portal, message.rowsMax);
      case 'close':
        (message.what === 'statement' ? this.statements : this.portals).delete(message.name);
        return [{ type: 'close-complete' }];
      case 'sync':
        this.skipping = false;
        if (!this.explicit) this.portals.clear();
        return [ready(this.status)];
      default:
        return [];
    }
  }

  private query(text: string): readonly BackendMessage[] {
    this.statements.delete('');
    const parts = text.split(';').map((part) => part.trim());
    if (this.forbidden !== 'never' && parts.includes('forbidden')) throw new ServerError('42501');
    if (parts.some((part) => part === 'bad' || part === ')')) throw new ServerError('42601');
    const answers: BackendMessage[] = [];
    for (const part of parts) {
      this.checkAborted(part);
      if (part === 'fail') throw new ServerError('22012', answers);
      const rows = rowsOf(part);
      if (rows !== null) answers.push(FIELDS, ...Array.from({ length: rows }, (_, index) => row(String(index))));
      answers.push(complete(rows === null ? this.run(part) : `SELECT ${rows}`));
    }
    if (!this.explicit) this.portals.clear();
    return [...answers, ready(this.status)];
  }

  private parse(name: string, text: string): void {
    if (name === '') this.statements.delete('');
    if (text === 'bad') throw new ServerError('42601');
    if (this.forbidden === 'parse' && text === 'forbidden') throw new ServerError('42501');
    this.checkAborted(text);
    if (name !== '' && this.statements.has(name)) throw new ServerError('42P05');
    this.statements.set(name, text);
  }

  private bind(portal: string, name: string): void {
    const text = this.statements.get(name);
    if (text === undefined) throw new ServerError('26000');
    if (this.forbidden === 'bind' && text === 'forbidden') throw new ServerError('42501');
    this.checkAborted(text);
    if (portal !== '' && this.portals.has(portal)) throw new ServerError('42P03');
    this.portals.set(portal, { text, shown: 0, done: false });
  }

  private describe(what: 'statement' | 'portal', name: string): readonly BackendMessage[] {
    const text = what === 'statement' ? this.statements.get(name) : this.portals.get(name)?.text;
    if (text === undefined) throw new ServerError(what === 'statement' ? '26000' : '34000');
    const fields = rowsOf(text) === null && !isQuestion(text) ? NO_DATA : FIELDS;
    if (this.aborted && fields === FIELDS) throw new ServerError('25P02');
    return what === 'statement' ? [{ type: 'parameter-description', types: [] }, fields] : [fields];
  }

  private execute(name: string, rowsMax: number): readonly BackendMessage[] {
    const portal = this.portals.get(name);
    if (portal === undefined) throw new ServerError('34000');
    this.checkAborted(portal.text);
    if (portal.text === 'fail') throw new ServerError('22012');
    if (isQuestion(portal.text))
      return [row('gateway', 'gateway', '["pg_catalog","public"]', '["public"]', 'on', 'off'), complete('SELECT 1')];
    const rows = rowsOf(portal.text);
    if (rows === null) {
      if (portal.done) throw new ServerError('55000');
      portal.done = true;
      return [complete(this.run(portal.text))];
    }
    const left = rows - portal.shown;
    const now = rowsMax > 0 ? Math.min(rowsMax, left) : left;
    const answers = Array.from({ length: now }, (_, index) => row(String(portal.shown + index)));
    portal.shown += now;
    if (rowsMax > 0 && now === rowsMax) return [...answers, { type: 'portal-suspended' }];
    return [...answers, complete(`SELECT ${now}`)];
  }

  private run(text: string): string {
    if (text === 'begin') {
      this.explicit = true;
      return 'BEGIN';
    }
    if (text === 'commit' || text === 'rollback') {
      const tag = text === 'rollback' || this.aborted ? 'ROLLBACK' : 'COMMIT';
      this.explicit = this.aborted = false;
      this.portals.clear();
      return tag;
    }
    return text.startsWith('set') ? 'SET' : 'DO';
  }

  private checkAborted(text: string): void {
    if (this.aborted && text !== 'commit' && text !== 'rollback') throw new ServerError('25P02');
  }

  private abort(): void {
    if (this.explicit) this.aborted = true;
    else this.portals.clear();
  }
}

interface ModelPortal {
  readonly text: string;
  shown: number;
  done: boolean;
}

class ServerError extends Error {
  readonly code: string;
  readonly before: readonly BackendMessage[];

  constructor(code: string, before: readonly BackendMessage[] = []) {
    super(code);
    this.code = code;
    this.before = before;
  }
}

function errorOf({ code }: ServerError): BackendMessage {
  const fields: ErrorFields = { S: 'ERROR', V: 'ERROR', C: code, M: code };
  return { type: 'error', fields };
}

function rowsOf(text: string): number | null {
  const match = /^rows (\d+)$/.exec(text);
  return match === null ? null : Number(match[1]);
}

function isQuestion(text: string): boolean {
  return text.startsWith('SELECT CURRENT_USER');
}

/** One computed column: there is nothing to mask. */
const FIELDS = described(['n', 0, 0]);
const NO_DATA: BackendMessage = { type: 'no-data' };
