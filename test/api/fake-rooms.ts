import type { RecordEvent, SessionView } from '../../src/api/contract.ts';
import type { ApiRooms, Caller, ControlAction, ControlUse, Identified } from '../../src/api/ports.ts';
import type { RequestView } from '../../src/approval/stage.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { LIMITS } from '../../src/core/limits.ts';
import type { Principal } from '../../src/core/principal.ts';

/** Tokens that the rooms know, and whom they mean. */
export const TOKENS = {
  agent: 'tok-agent',
  workload: 'tok-workload',
  approver: 'tok-approver',
  stranger: 'tok-stranger',
  admin: 'tok-admin',
} as const;

const AT = Date.UTC(2026, 10, 20, 12, 0, 0);

function principal(kind: Principal['kind'], id: string, groups: string[], more: Partial<Principal> = {}): Principal {
  return {
    kind,
    id,
    name: id,
    provider: id.split('/')[0] ?? '',
    groups,
    claims: {},
    person: kind === 'human' ? id : null,
    onBehalfOf: null,
    mayApprove: kind === 'human',
    ...more,
  };
}

const stranger = principal('human', 'okta/stranger', []);
export const PRINCIPALS: Readonly<Record<string, Principal>> = {
  [TOKENS.agent]: principal('agent', 'gateway/claude', ['agents'], { onBehalfOf: stranger }),
  [TOKENS.workload]: principal('workload', 'gateway/backup', ['backup']),
  [TOKENS.approver]: principal('workload', 'gateway/release', ['dba'], {
    mayApprove: true,
    person: 'lead@example.com',
  }),
  [TOKENS.stranger]: stranger,
  [TOKENS.admin]: principal('human', 'okta/admin', ['admins']),
};

export const SESSION: SessionView = {
  id: 'ses_1',
  state: 'live',
  protocol: 'postgres',
  principal: 'okta/ada',
  person: 'okta/ada',
  onBehalfOf: [],
  target: 'crm',
  database: 'crm',
  role: 'gateway_ro',
  clientAddress: '127.0.0.1:5000',
  clientName: 'psql',
  startedAt: AT,
  endedAt: null,
  endedWhy: null,
  actions: 2,
  refused: 1,
};

export const EVENTS: readonly RecordEvent[] = [
  event(10, {
    text: 'select name, ssn from customers',
    verb: 'read',
    verdict: 'forward',
    rules: ['staff-reads'],
    resources: ['crm/public.customers'],
  }),
  event(11, { kind: 'result', of: 10, sizes: { rows: 2, bytes: 64, masked: 2 } }),
  event(12, {
    text: 'drop table customers\u001b[2J\nselect 1',
    verb: 'define',
    verdict: 'refuse',
    rules: ['no-agent-drops'],
    code: 'POLICY_DENIED',
    message: 'agents cannot change the schema',
  }),
  event(13, {
    kind: 'admin',
    session: null,
    target: null,
    principal: 'okta/admin',
    facts: { action: 'admin.kill', subject: 'ses_1', outcome: 'allowed' },
  }),
];

function event(entry: number, more: Partial<RecordEvent>): RecordEvent {
  return {
    entry,
    at: AT + entry * 1000,
    kind: 'action',
    session: 'ses_1',
    principal: 'okta/ada',
    target: 'crm',
    verb: null,
    verdict: null,
    rules: [],
    resources: [],
    text: null,
    code: null,
    message: null,
    sizes: {},
    of: null,
    ...more,
  };
}

export const REQUEST: RequestView = {
  id: 'req_1',
  state: 'pending',
  principal: 'gateway/backup',
  person: null,
  onBehalfOf: [],
  persons: ['owner@example.com'],
  target: 'crm',
  database: 'crm',
  role: 'gateway_rw',
  session: 'ses_1',
  rules: ['prod-writes'],
  message: 'writes to production need a second person',
  approvers: [['dba']],
  count: 1,
  statements: [
    {
      text: 'update customers set name = $1 where id = $2',
      times: 2,
      parameters: [
        ['Ada', '1'],
        ['Eve\u202e', '2'],
      ],
    },
  ],
  findings: ['parameter 1 of the second holds U+202E, which turns the reading direction'],
  resources: ['crm/public.customers'],
  justification: 'INC-1',
  notCovered: '',
  inTransaction: false,
  createdAt: AT,
  expiresAt: AT + 1_800_000,
  decisions: [],
  digest: 'a'.repeat(64),
};

export interface FakeRooms extends ApiRooms {
  readonly uses: ControlUse[];
  readonly calls: string[];
  readonly answers: { route: string; status: number }[];
  emit(event: RecordEvent): void;
  endTails(why: string): void;
  end(token: string): void;
  readonly tailing: () => number;
  failRecord: boolean;
  permitted: Set<ControlAction>;
  ready: boolean;
}

/** Rooms that hold one session, one request, one token, and remember what was asked of them. */
export function fakeRooms(): FakeRooms {
  const tails = new Set<{ entry: (event: RecordEvent) => void; ended: (why: string) => void }>();
  const watchers = new Map<string, Set<() => void>>();
  const calls: string[] = [];
  const who = (by: Caller) => (by.kind === 'operator' ? 'operator' : by.identified.principal.id);
  const page = <Item>(items: readonly Item[]) => ({ items, next: null });
  const rooms: FakeRooms = {
    uses: [],
    calls,
    answers: [],
    failRecord: false,
    permitted: new Set<ControlAction>([
      'admin.read',
      'admin.config',
      'admin.policy',
      'admin.revoke',
      'admin.audit',
      'admin.kill',
      'session.view',
      'token.create',
      'token.list',
      'token.revoke',
    ]),
    ready: true,
    emit: (entry) => [...tails].forEach((tail) => void tail.entry(entry)),
    endTails: (why) => [...tails].forEach((tail) => void tail.ended(why)),
    end: (token) => [...(watchers.get(token) ?? [])].forEach((ended) => void ended()),
    tailing: () => tails.size,
    identity: {
      identify: async (token) => {
        const known = PRINCIPALS[token];
        if (known !== undefined)
          return { outcome: 'identified', principal: known, by: `token:${token.slice(4)}`, endsAt: AT + 3_600_000 };
        const reason = {
          code: 'IDENTITY_REFUSED',
          rule: null,
          why: 'not identified',
          hint: '',
          cure: null,
          retry: 'never',
          request: null,
        } as const;
        return { outcome: 'refused', reason, inward: 'no such token' };
      },
      watch: (identified, ended) => {
        const token = `tok-${identified.by.slice('token:'.length)}`;
        const set = watchers.get(token) ?? new Set();
        watchers.set(token, set.add(ended));
        return () => void set.delete(ended);
      },
      revoke: async (id, by) => {
        calls.push(`revoke ${id} by ${who(by)}`);
        return { sessionsEnded: 3 };
      },
    },
    policy: {
      // As the built-in rules have it: people by rule, approvers for requests, nobody else.
      may: (asking, action) => {
        if (action === 'request.decide') return { allowed: asking.mayApprove, rules: ['sallyport.decide'] };
        const allowed = asking.kind === 'human' && asking.groups.includes('admins') && rooms.permitted.has(action);
        return { allowed, rules: allowed ? ['admins-do'] : [] };
      },
      explain: async (input) => ({
        verdict: input.statement.startsWith('drop') ? 'deny' : 'allow',
        rules: ['no-agent-drops'],
        why: 'agents cannot change the schema',
        hint: 'open a migration instead',
        cures: [],
        masks: { 'crm/public.customers.ssn': 'partial(0,4)' },
        verb: 'define',
        clarity: 'parsed',
        touches: [{ action: 'sql.define', resource: 'crm/public.customers' }],
        findings: [],
        observed: false,
      }),
      test: async (input) => {
        if (input.policies?.some(({ text }) => text.includes('nonsense'))) {
          throw new GatewayError('CONFIG_INVALID', 'p.cedar:1: not Cedar (and 1 more)', {
            problems: ['p.cedar:1: not Cedar', 'p.cedar:2: not Cedar either\u001b[2J'],
          });
        }
        return {
          passed: input.tests.length,
          failed: 1,
          cases: [
            ...input.tests.map(({ file }) => ({ file, name: 'agents read', passed: true, message: null })),
            { file: 'x.test.yaml', name: 'agents drop', passed: false, message: 'expected refuse, got allow' },
          ],
        };
      },
      observed: async () =>
        page([
          {
            rule: 'no-agent-drops',
            target: 'crm',
            principal: 'okta/ada',
            code: 'POLICY_DENIED',
            why: 'agents cannot change the schema',
            count: 7,
            firstAt: AT,
            lastAt: AT + 60_000,
          },
        ]),
      set: async (withBuiltin) => ({
        digest: 'b'.repeat(64),
        epoch: 4,
        rules: [
          { id: 'staff-reads', effect: 'permit', file: 'a.cedar', cure: null, mode: 'enforce', text: 'permit (…);' },
          ...(withBuiltin
            ? [
                {
                  id: 'sallyport.reveal',
                  effect: 'permit' as const,
                  file: 'builtin.cedar',
                  cure: null,
                  mode: 'enforce' as const,
                  text: 'permit (…);',
                },
              ]
            : []),
        ],
      }),
    },
    sessions: {
      list: async (filter) => page(filter.state === 'ended' ? [] : [SESSION]),
      show: async (id) => (id === SESSION.id ? SESSION : null),
      events: async (id) => page(id === SESSION.id ? EVENTS : []),
      replay: async (id, withResults) =>
        page(
          id === SESSION.id
            ? EVENTS.map((entry) => ({
                ...entry,
                result: withResults && entry.kind === 'result' ? 'name|ssn\nAda|*****6789\n' : null,
              }))
            : [],
        ),
      kill: async (id, by) => {
        calls.push(`kill ${id} by ${who(by)}`);
        return id === SESSION.id;
      },
      tail: (_session, entry, ended) => {
        const tail = { entry, ended };
        tails.add(tail);
        return () => void tails.delete(tail);
      },
    },
    requests: {
      list: async (filter) => page(filter.state === undefined || filter.state === 'pending' ? [REQUEST] : []),
      show: async (id) => (id === REQUEST.id ? REQUEST : null),
      decide: async (id, by, decision, reason) => {
        calls.push(`${decision} ${id} by ${by.id}: ${reason}`);
        if (id !== REQUEST.id) throw new GatewayError('REQUEST_UNKNOWN', `there is no request ${id}`);
        const decided = { by: by.id, person: by.person ?? by.id, decision, reason, at: AT } as const;
        return { ...REQUEST, state: decision === 'approve' ? 'approved' : 'denied', decisions: [decided] };
      },
    },
    tokens: {
      create: async (input, by) => {
        calls.push(`token for ${input.account} by ${who(by)}`);
        if (input.account === 'nobody') throw new GatewayError('NOT_FOUND', 'there is no account nobody');
        return { id: 'tok1', token: 'sp_tok1_secret', account: input.account, expiresAt: AT + input.ttl_ms };
      },
      list: async () =>
        page([
          {
            id: 'tok1',
            account: 'backup',
            createdAt: AT,
            createdBy: 'operator',
            expiresAt: AT + 3_600_000,
            revokedAt: null,
          },
        ]),
      revoke: async (id) => id === 'tok1',
    },
    targets: {
      list: async () => [
        {
          name: 'crm',
          protocol: 'postgres',
          database: 'crm',
          labels: { env: 'prod' },
          mode: 'observe',
          observeUntil: AT,
          connect: 'psql "host=gw dbname=crm"',
        },
      ],
      notEnforced: () => [{ target: 'crm', until: AT }],
    },
    audit: {
      checkpoint: async () => ({ checkpoint: 'gw\n3\nhash\n\n— gw sig\n', vkey: 'gw+1234+key', size: 3 }),
      proof: async (entry) => (entry < 3 ? { entry, leaf: 'aa', path: ['bb'], checkpoint: 'gw\n3\n' } : null),
      record: async (use) => {
        if (rooms.failRecord) throw new GatewayError('RECORD_UNAVAILABLE', 'the disk is full');
        rooms.uses.push(use);
      },
    },
    health: {
      ready: () => ({ ready: rooms.ready, waiting: rooms.ready ? [] : ['record'] }),
      metrics: async () => ({
        text: 'sallyport_info{version="1"} 1\n',
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
      }),
      answered: (route, status) => void rooms.answers.push({ route, status }),
    },
  };
  return rooms;
}

export const QUIET_LOG = { warn: () => {}, error: () => {} };
export const API_OPTIONS = { version: '0.0.0', limits: LIMITS, log: QUIET_LOG, publicUrl: null };
export type { Identified };
