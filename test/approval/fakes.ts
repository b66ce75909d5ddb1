import { generateKeyPairSync, sign, verify } from 'node:crypto';
import type { ApprovalRequest, Clock, ReceiptSigner, RequestStore } from '../../src/approval/ports.ts';
import type { Question } from '../../src/approval/stage.ts';
import type { Envelope, RecordStage, Sealed } from '../../src/audit/stage.ts';
import type { Action } from '../../src/core/action.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { EpochMs } from '../../src/core/ids.ts';
import type { Principal } from '../../src/core/principal.ts';
import type { Resource } from '../../src/core/resource.ts';
import type { Session } from '../../src/core/session.ts';
import type { Cure } from '../../src/core/verdict.ts';

export type ApprovalCure = Cure & { kind: 'approval' };

export function human(name: string, groups: readonly string[] = [], more: Partial<Principal> = {}): Principal {
  const id = `okta/${name}`;
  return {
    kind: 'human',
    id,
    name,
    provider: 'okta',
    groups,
    claims: {},
    person: id,
    onBehalfOf: null,
    mayApprove: true,
    ...more,
  };
}

export function agent(name: string, onBehalfOf: Principal): Principal {
  const { person } = onBehalfOf;
  return { ...human(name), kind: 'agent', id: `agents/${name}`, person, onBehalfOf, mayApprove: false };
}

const TARGET: Resource = { kind: 'Target', id: 'crm', labels: ['env/prod'], parent: null };

export function sessionOf(principal: Principal, more: Partial<Session> = {}): Session {
  return {
    id: 'session-1',
    runId: null,
    protocol: 'postgres',
    principal,
    target: 'crm',
    resource: TARGET,
    database: 'crm',
    role: 'gateway_rw',
    clientAddress: '127.0.0.1',
    clientName: 'psql',
    startedAt: 0,
    endsAt: null,
    justification: '',
    ...more,
  };
}

export function actionOf(session: Session, text: string | Uint8Array, more: Partial<Action> = {}): Action {
  const resource: Resource = { kind: 'Table', id: 'crm/public.customers', labels: [], parent: TARGET };
  return {
    classification: {
      verb: 'write',
      clarity: 'parsed',
      touches: [{ action: 'sql.write', resource }],
      uses: [],
      facts: {},
      findings: [],
    },
    kind: 'query',
    text: typeof text === 'string' ? Buffer.from(text) : text,
    parameters: [],
    state: 'search_path=public',
    id: 'action-1',
    session,
    runId: null,
    sequence: 1,
    protocol: 'postgres',
    target: session.target,
    principal: session.principal,
    at: 0,
    ...more,
  };
}

export function cureOf(more: Partial<ApprovalCure> = {}): ApprovalCure {
  return {
    kind: 'approval',
    rule: 'prod-writes',
    message: 'writes to production are approved by a DBA',
    approvers: [['dba']],
    count: 1,
    within_ms: 1_800_000,
    ...more,
  };
}

export function questionOf(actions: readonly Action[], more: Partial<Question> = {}): Question {
  return { actions, cures: [cureOf()], inTransaction: false, displays: [], versions: ['rule prod-writes 1'], ...more };
}

/** Before every access something else may happen: that is what `pause` is for. */
export function memoryStore(pause: (label: string) => Promise<void> = async () => {}): RequestStore & {
  readonly rows: Map<string, ApprovalRequest>;
  readonly history: ApprovalRequest[];
} {
  const rows = new Map<string, ApprovalRequest>();
  const history: ApprovalRequest[] = [];
  const copy = (request: ApprovalRequest): ApprovalRequest => structuredClone(request);
  const put = (request: ApprovalRequest): void => {
    rows.set(request.id, copy(request));
    history.push(copy(request));
  };
  return {
    rows,
    history,
    insert: async (request) => {
      await pause('insert');
      put(request);
    },
    load: async (id) => {
      await pause('load');
      const row = rows.get(id);
      return row === undefined ? null : copy(row);
    },
    replace: async (request) => {
      await pause('replace');
      if (rows.get(request.id)?.version !== request.version - 1) return false;
      put(request);
      await pause('replaced');
      return true;
    },
    versions: async (ids) => {
      await pause('versions');
      return new Map([...rows.values()].filter(({ id }) => ids.includes(id)).map(({ id, version }) => [id, version]));
    },
    list: async ({ state, items_max }) =>
      [...rows.values()]
        .filter((row) => state === undefined || row.state === state)
        .sort((one, other) => other.createdAt - one.createdAt)
        .slice(0, items_max)
        .map(copy),
    unfinished: async (gateway, run) =>
      [...rows.values()]
        .filter((row) => row.gateway === gateway && row.run !== run && ['pending', 'approved'].includes(row.state))
        .map(copy),
  };
}

export interface WrittenEntry {
  readonly envelope: Envelope;
  readonly sealed: Sealed;
}

export function memoryRecord(pause: (label: string) => Promise<void> = async () => {}): RecordStage & {
  readonly entries: WrittenEntry[];
  isFull: boolean;
} {
  const entries: WrittenEntry[] = [];
  const record = {
    entries,
    isFull: false,
    append: (envelope: Envelope, sealed: Sealed) => {
      if (record.isFull) throw new GatewayError('RECORD_UNAVAILABLE', 'the disk is full');
      return entries.push({ envelope, sealed: structuredClone(sealed) }) - 1;
    },
    durable: () => pause('durable'),
    accepting: () => !record.isFull,
  };
  return record;
}

export function edSigner(): ReceiptSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    sign: (bytes) => sign(null, bytes, privateKey),
    verify: (bytes, signature) => verify(null, bytes, publicKey, signature),
  };
}

/** Time that passes when the test says so. */
export function manualClock(start: EpochMs = 1_000_000): Clock & { advance(milliseconds: number): void } {
  let now = start;
  const timers = new Set<{ readonly at: EpochMs; readonly call: () => void }>();
  return {
    now: () => now,
    after: (delay_ms, call) => {
      const timer = { at: now + delay_ms, call };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (milliseconds) => {
      now += milliseconds;
      for (const timer of [...timers]) {
        if (timer.at > now || !timers.delete(timer)) continue;
        timer.call();
      }
    },
  };
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
