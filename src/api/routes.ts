import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import { delegationChain } from '../core/principal.ts';
import {
  checkpointView,
  decisionInput,
  explainInput,
  explanation,
  observedView,
  type PrincipalView,
  page,
  policySetView,
  policyTestInput,
  policyTestView,
  proofView,
  readyView,
  recordEvent,
  replayEvent,
  requestView,
  revokedView,
  revokeInput,
  sessionView,
  targetView,
  tokenCreated,
  tokenInput,
  tokenView,
  whoamiView,
} from './contract.ts';
import type { Caller, ControlAction, PageInput } from './ports.ts';
import { type Access, json, NOTHING, openapi, type Route, tail, text } from './route.ts';

/** Everything that can be asked of the gateway over HTTP. What is not in this table is not reachable. */
export function routeTable(limits: { readonly page_items_max: number }): readonly Route[] {
  const paging = {
    limit: z.coerce.number().int().min(1).max(limits.page_items_max).default(Math.min(50, limits.page_items_max)),
    after: z.string().max(100).optional(),
  };
  return [
    ...healthRoutes(),
    ...ownRoutes(),
    ...sessionRoutes(paging),
    ...requestRoutes(paging),
    ...tokenRoutes(paging),
    ...policyRoutes(paging),
    ...auditRoutes(),
  ];
}

type Paging = { readonly limit: z.ZodType<number>; readonly after: z.ZodType<string | undefined> };

function healthRoutes(): readonly Route[] {
  return [
    json('GET', '/healthz', {
      summary: 'The process runs.',
      access: PUBLIC,
      output: z.object({ status: z.literal('ok') }),
      answer: async () => ({ status: 'ok' as const }),
    }),
    json('GET', '/readyz', {
      summary: 'It takes connections; what it waits for where it does not.',
      access: PUBLIC,
      output: readyView,
      answer: async ({ rooms }) => rooms.health.ready(),
    }),
    openapi('/api/v1/openapi.json', { summary: 'This API, as OpenAPI 3.1.', access: PUBLIC }),
    text('/metrics', {
      summary: 'Measures in the Prometheus text format.',
      access: { kind: 'local', action: 'admin.read' },
      answer: ({ rooms }) => rooms.health.metrics(),
    }),
  ];
}

function ownRoutes(): readonly Route[] {
  return [
    json('GET', '/api/v1/whoami', {
      summary: 'Who the gateway takes the caller for.',
      access: AUTHENTICATED,
      output: whoamiView,
      answer: async ({ caller, rooms }) => {
        const notEnforced = [...rooms.targets.notEnforced()];
        if (caller.kind === 'operator')
          return { caller: 'operator' as const, principal: null, by: 'admin.sock', endsAt: null, notEnforced };
        const { principal, by, endsAt } = caller.identified;
        return { caller: 'principal' as const, principal: viewOf(principal), by, endsAt, notEnforced };
      },
    }),
    json('GET', '/api/v1/targets', {
      summary: 'What the caller may open; the operator sees all.',
      access: AUTHENTICATED,
      output: z.object({ items: z.array(targetView) }),
      answer: async ({ caller, rooms }) => ({ items: await rooms.targets.list(viewer(caller)) }),
    }),
  ];
}

function sessionRoutes(paging: Paging): readonly Route[] {
  const one = z.strictObject({ id: identifier });
  const view = control('session.view');
  return [
    json('GET', '/api/v1/sessions', {
      summary: 'Sessions, newest first.',
      access: view,
      query: z.strictObject({
        ...paging,
        state: z.enum(['live', 'ended']).optional(),
        principal: z.string().max(300).optional(),
        target: z.string().max(63).optional(),
      }),
      output: page(sessionView),
      answer: ({ rooms, query }) =>
        rooms.sessions.list({ ...pageOf(query), state: query.state, principal: query.principal, target: query.target }),
    }),
    json('GET', '/api/v1/sessions/:id', {
      summary: 'One session.',
      access: view,
      params: one,
      output: sessionView,
      answer: async ({ rooms, params }) => found(await rooms.sessions.show(params.id), 'session', params.id),
    }),
    json('GET', '/api/v1/sessions/:id/events', {
      summary: 'What happened in it, in order, without results.',
      access: view,
      params: one,
      query: z.strictObject(paging),
      output: page(recordEvent),
      answer: ({ rooms, params, query }) => rooms.sessions.events(params.id, pageOf(query)),
    }),
    json('GET', '/api/v1/sessions/:id/replay', {
      summary: 'What happened in it with what the client saw; the operator gets no results.',
      access: view,
      params: one,
      query: z.strictObject(paging),
      output: page(replayEvent),
      answer: async ({ rooms, params, query, caller }) =>
        rooms.sessions.replay(params.id, caller.kind === 'principal', pageOf(query)),
    }),
    tail('/api/v1/sessions/:id/tail', {
      summary: 'What happens in it, as it happens (server-sent events).',
      access: view,
      params: one,
      start: async ({ rooms, params }, sink) => {
        const session = found(await rooms.sessions.show(params.id), 'session', params.id);
        return rooms.sessions.tail(session.id, sink.entry, sink.end);
      },
    }),
    tail('/api/v1/tail', {
      summary: 'What happens in all sessions, as it happens (server-sent events).',
      access: view,
      params: NOTHING,
      start: async ({ rooms }, sink) => rooms.sessions.tail(null, sink.entry, sink.end),
    }),
    json('DELETE', '/api/v1/sessions/:id', {
      summary: 'Ends a live session now.',
      access: control('admin.kill'),
      params: one,
      output: z.object({ id: z.string() }),
      answer: async ({ rooms, params, caller }) => {
        if (!(await rooms.sessions.kill(params.id, caller))) throw notFound('live session', params.id);
        return { id: params.id };
      },
    }),
  ];
}

function requestRoutes(paging: Paging): readonly Route[] {
  const one = z.strictObject({ id: identifier });
  return [
    json('GET', '/api/v1/requests', {
      summary: 'Requests the caller made or may decide; the operator sees all.',
      access: AUTHENTICATED,
      query: z.strictObject({ ...paging, state: requestView.shape.state.optional() }),
      output: page(requestView),
      answer: ({ rooms, query, caller }) =>
        rooms.requests.list({ ...pageOf(query), state: query.state, for: viewer(caller) }),
    }),
    json('GET', '/api/v1/requests/:id', {
      summary: 'One request, with the exact statements.',
      access: AUTHENTICATED,
      params: one,
      output: requestView,
      answer: async ({ rooms, params, caller }) =>
        found(await rooms.requests.show(params.id, viewer(caller)), 'request', params.id),
    }),
    json('POST', '/api/v1/requests/:id/decisions', {
      summary: 'Approves or denies a request, as oneself.',
      access: { kind: 'control', action: 'request.decide', operator: false },
      params: one,
      body: decisionInput,
      output: requestView,
      answer: async ({ rooms, params, body, caller }) => {
        const by = viewer(caller);
        if (by === null) throw new GatewayError('OPERATOR_REFUSED', 'the operator decides no requests');
        return rooms.requests.decide(params.id, by, body.decision, body.reason, body.digest ?? null);
      },
    }),
  ];
}

function tokenRoutes(paging: Paging): readonly Route[] {
  return [
    json('POST', '/api/v1/tokens', {
      summary: 'A token for a service account or agent. It is shown once.',
      access: control('token.create'),
      body: tokenInput,
      output: tokenCreated,
      status: 201,
      answer: ({ rooms, body, caller }) =>
        rooms.tokens.create(
          { account: body.account, ttl_ms: body.ttl_ms, onBehalfOf: body.onBehalfOf ?? null },
          caller,
        ),
    }),
    json('GET', '/api/v1/tokens', {
      summary: 'Tokens, without their secrets.',
      access: control('token.list'),
      query: z.strictObject(paging),
      output: page(tokenView),
      answer: ({ rooms, query }) => rooms.tokens.list(pageOf(query)),
    }),
    json('DELETE', '/api/v1/tokens/:id', {
      summary: 'Ends a token and the sessions it opened.',
      access: control('token.revoke'),
      params: z.strictObject({ id: identifier }),
      output: z.object({ id: z.string() }),
      answer: async ({ rooms, params, caller }) => {
        if (!(await rooms.tokens.revoke(params.id, caller))) throw notFound('token', params.id);
        return { id: params.id };
      },
    }),
    json('POST', '/api/v1/revocations', {
      summary: 'Ends every session and token of a principal, now.',
      access: control('admin.revoke'),
      body: revokeInput,
      output: revokedView,
      answer: async ({ rooms, body, caller }) => ({
        principal: body.principal,
        ...(await rooms.identity.revoke(body.principal, caller)),
      }),
    }),
  ];
}

function policyRoutes(paging: Paging): readonly Route[] {
  const access = control('admin.policy');
  return [
    json('GET', '/api/v1/policy', {
      summary: 'The rules in force.',
      access,
      query: z.strictObject({ builtin: z.enum(['true', 'false']).default('false') }),
      output: policySetView,
      answer: ({ rooms, query }) => rooms.policy.set(query.builtin === 'true'),
    }),
    json('POST', '/api/v1/policy/explain', {
      summary: 'Which rules decide an action, and why.',
      access,
      body: explainInput,
      output: explanation,
      answer: ({ rooms, body }) => rooms.policy.explain(body),
    }),
    json('POST', '/api/v1/policy/test', {
      summary: 'Runs policy tests against the rules in force or given ones.',
      access,
      body: policyTestInput,
      output: policyTestView,
      answer: ({ rooms, body }) => rooms.policy.test(body),
    }),
    json('GET', '/api/v1/policy/observed', {
      summary: 'What would have been refused, held or masked where only observed.',
      access,
      query: z.strictObject(paging),
      output: page(observedView),
      answer: ({ rooms, query }) => rooms.policy.observed(pageOf(query)),
    }),
  ];
}

function auditRoutes(): readonly Route[] {
  const access = control('admin.audit');
  return [
    json('GET', '/api/v1/audit/checkpoint', {
      summary: 'The newest signed checkpoint of the log and the key that verifies it.',
      access,
      output: checkpointView,
      answer: ({ rooms }) => rooms.audit.checkpoint(),
    }),
    json('GET', '/api/v1/audit/entries/:entry/proof', {
      summary: 'The proof that an entry is in the log.',
      access,
      params: z.strictObject({ entry: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER) }),
      output: proofView,
      answer: async ({ rooms, params }) => found(await rooms.audit.proof(params.entry), 'entry', String(params.entry)),
    }),
  ];
}

function control(action: ControlAction): Access {
  return { kind: 'control', action, operator: true };
}

/** Whose eyes a list is for; `null`: the operator's, who sees all. */
function viewer(caller: Caller): Principal | null {
  return caller.kind === 'operator' ? null : caller.identified.principal;
}

function viewOf(principal: Principal): PrincipalView {
  const { id, kind, name, provider, groups, person, mayApprove } = principal;
  const onBehalfOf = delegationChain(principal)
    .slice(1)
    .map((link) => link.id);
  return { id, kind, name, provider, groups: [...groups], person, onBehalfOf, mayApprove };
}

function pageOf(query: { readonly limit: number; readonly after?: string | undefined }): PageInput {
  return { limit: query.limit, after: query.after };
}

function found<Value>(value: Value | null, kind: string, id: string): Value {
  if (value === null) throw notFound(kind, id);
  return value;
}

function notFound(kind: string, id: string): GatewayError {
  return new GatewayError('NOT_FOUND', `there is no ${kind} ${id}, or it is not yours to see`, { id });
}

const PUBLIC: Access = { kind: 'public' };
const AUTHENTICATED: Access = { kind: 'authenticated' };
/** Ids of sessions, requests and tokens. */
const identifier = z.string().regex(/^[A-Za-z0-9_.:-]{1,100}$/, 'not an id');
