import type { Action, ActionDraft, Classification, Verb } from '../../src/core/action.ts';
import type { Principal } from '../../src/core/principal.ts';
import type { Resource } from '../../src/core/resource.ts';
import type { Session } from '../../src/core/session.ts';

/** Small, complete values for tests; each takes only what the test is about. */

export const crm: Resource = { kind: 'Target', id: 'crm', labels: ['env/prod'], parent: null };

export function principal(over: Partial<Principal> = {}): Principal {
  return {
    kind: 'human',
    id: 'okta/ann',
    name: 'ann@example.com',
    provider: 'okta',
    groups: ['dev'],
    claims: {},
    person: 'okta/ann',
    onBehalfOf: null,
    mayApprove: true,
    ...over,
  };
}

export function session(over: Partial<Session> = {}): Session {
  return {
    id: 'ses_1',
    runId: null,
    protocol: 'postgres',
    principal: principal(),
    target: 'crm',
    resource: crm,
    database: 'crm',
    role: 'gateway_ro',
    clientAddress: '127.0.0.1',
    clientName: 'psql',
    startedAt: 1_000,
    endsAt: null,
    justification: '',
    ...over,
  };
}

export function classification(verb: Verb = 'read', over: Partial<Classification> = {}): Classification {
  return {
    verb,
    clarity: 'parsed',
    touches: [{ action: verb === 'write' ? 'sql.write' : 'sql.read', resource: crm }],
    uses: [],
    facts: {},
    findings: [],
    ...over,
  };
}

export function draft(text = 'select 1', over: Partial<ActionDraft> = {}): ActionDraft {
  return {
    classification: classification(),
    kind: 'query',
    text: Buffer.from(text),
    parameters: [],
    state: '',
    ...over,
  };
}

export function action(text = 'select 1', over: Partial<Action> = {}): Action {
  const live = over.session ?? session();
  return {
    ...draft(text),
    id: 'ses_1.1',
    session: live,
    runId: null,
    sequence: 1,
    protocol: 'postgres',
    target: live.target,
    principal: live.principal,
    at: 2_000,
    ...over,
  };
}
