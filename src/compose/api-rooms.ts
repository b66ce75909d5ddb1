import type { TargetView, TokenView } from '../api/contract.ts';
import type { ApiRooms, Caller } from '../api/ports.ts';
import type { Approval } from '../approval/approval.ts';
import type { AuditLog } from '../audit/log.ts';
import type { TargetConfig } from '../config/config.ts';
import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Catalogues } from '../gateway/catalogues.ts';
import type { LiveSessions } from '../gateway/sessions.ts';
import { credentialFor } from '../gateway/targets.ts';
import type { Identity } from '../identity/identity.ts';
import type { TokenView as StoredTokenView } from '../identity/registry.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Classifier } from '../protocols/sql/statement.ts';
import { auditRooms } from './audit-rooms.ts';
import { nothingGiven, recordControl } from './control.ts';
import type { Current } from './current.ts';
import { pageOf } from './pages.ts';
import { policyRooms } from './policy-rooms.ts';
import { sessionRooms } from './sessions.ts';

export interface House {
  readonly log: AuditLog;
  readonly auditDirectory: string;
  readonly live: LiveSessions;
  readonly identity: Identity;
  readonly approval: Approval;
  readonly current: Current;
  readonly catalogues: Catalogues;
  readonly classifier: Classifier;
  readonly metrics: Metrics;
  /** Where clients of the Postgres listener connect; `null`: there is none. */
  readonly postgresAddress: () => string | null;
  readonly waiting: () => readonly string[];
  now(): number;
}

/** The rooms as the API asks for them. */
export function apiRooms(house: House): ApiRooms {
  const { log, identity, approval, live, metrics, now } = house;
  return {
    identity: {
      identify: (token, clientAddress) =>
        identity.identify({ kind: 'bearer', token }, { clientAddress, protocol: 'api', target: null, anyUser: true }),
      watch: (identified, ended) => identity.watch(identified, () => ended()),
      revoke: async (principal, by) => {
        const before = live.size;
        await identity.revoke(principal, actorOf(by));
        return { sessionsEnded: Math.max(0, before - live.size) };
      },
    },
    policy: policyRooms(house),
    sessions: sessionRooms(log, live),
    requests: {
      list: async ({ state, for: viewer, ...input }) => {
        const all = await approval.list(state === undefined ? {} : { state });
        return pageOf(
          all.filter((request) => viewer === null || mayRead(house, request, viewer)),
          input,
          ({ id }) => id,
        );
      },
      show: async (id, viewer) => {
        const request = await approval.show(id);
        return request === null || (viewer !== null && !mayRead(house, request, viewer)) ? null : request;
      },
      decide: async (id, by, decision, reason, digest) => {
        const request = await approval.show(id);
        if (request !== null && digest !== null && request.digest !== digest) {
          throw new GatewayError('APPROVAL_CHANGED', `request ${id} is not the one you looked at`);
        }
        return approval.decide(id, by, decision, reason);
      },
    },
    tokens: {
      create: async ({ account, ttl_ms, onBehalfOf }, by) => {
        if (onBehalfOf !== null)
          throw new GatewayError('USAGE', 'an agent mints its token as whom it acts for: call this as that person');
        const acting = by.kind === 'principal' && isAgent(house, account) ? by.identified.principal : null;
        const made = await identity.createToken({ account, ttl_ms, onBehalfOf: acting, by: actorOf(by) });
        return { id: made.id, token: made.secret, account: made.account, expiresAt: made.expiresAt };
      },
      list: async (input) => pageOf((await identity.listTokens(null)).map(tokenView), input, ({ id }) => id),
      revoke: async (id, by) => {
        try {
          await identity.revokeToken(id, actorOf(by));
          return true;
        } catch (error) {
          if (error instanceof GatewayError && error.code === 'USAGE') return false;
          throw error;
        }
      },
    },
    targets: {
      list: async (viewer) =>
        house.current.now.config.targets
          .filter((line) => viewer === null || mayOpen(house, line, viewer))
          .map((line) => targetView(house, line, viewer)),
      notEnforced: () =>
        house.current.now.config.targets.flatMap(({ name, mode }) =>
          mode.kind === 'observe' && mode.until > now() ? [{ target: name, until: mode.until }] : [],
        ),
    },
    audit: { ...auditRooms(log, house.auditDirectory), record: (use) => recordControl(log, use, now()) },
    health: {
      ready: () => {
        const waiting = [...house.waiting(), ...(log.accepting() ? [] : ['the record takes nothing that would pass'])];
        return { ready: waiting.length === 0, waiting };
      },
      metrics: async () => ({ text: await metrics.text(), contentType: metrics.contentType }),
      answered: (route, status, seconds) => metrics.apiAnswered(route, status, seconds),
    },
  };
}

/** One's own requests, those one's groups are asked about, and all of them for whom the policy lets view sessions. */
function mayRead(house: House, request: Parameters<Approval['mayDecide']>[0], viewer: Principal): boolean {
  if (request.principal === viewer.id || request.onBehalfOf.includes(viewer.id)) return true;
  // Whoever is asked may look, also at what has ended meanwhile.
  if (request.approvers.some((groups) => groups.some((group) => viewer.groups.includes(group)))) return true;
  return house.current.now.policy.admin(viewer, 'session.view', nothingGiven(house.now())).allowed;
}

/** Asked as when somebody comes to open it, with every cure still to be given. */
function mayOpen(house: House, line: TargetConfig, viewer: Principal): boolean {
  const { targets, policy } = house.current.now;
  const target = targets.get(line.name);
  if (target === undefined || credentialFor(target, viewer) === null) return false;
  const at = house.now();
  const decision = policy.decide(
    {
      classification: {
        verb: 'open',
        clarity: 'parsed',
        touches: [{ action: 'open', resource: target.resource }],
        uses: [],
        facts: {},
        findings: [],
      },
      kind: 'open',
      text: new Uint8Array(0),
      parameters: [],
      state: '',
      id: 'targets.1',
      session: {
        id: 'targets',
        runId: null,
        protocol: target.protocol,
        principal: viewer,
        target: target.name,
        resource: target.resource,
        database: target.database,
        role: '',
        clientAddress: '127.0.0.1',
        clientName: 'api',
        startedAt: at,
        endsAt: null,
        justification: '',
      },
      runId: null,
      sequence: 1,
      protocol: target.protocol,
      target: target.name,
      principal: viewer,
      at,
    },
    nothingGiven(at),
  );
  return decision.effect !== 'deny';
}

function targetView(house: House, line: TargetConfig, viewer: Principal | null): TargetView {
  const address = house.postgresAddress();
  const at = address?.lastIndexOf(':') ?? -1;
  return {
    name: line.name,
    protocol: line.protocol,
    database: line.database,
    labels: { ...line.labels },
    mode: line.mode.kind,
    observeUntil: line.mode.kind === 'observe' ? line.mode.until : null,
    connect:
      address === null
        ? null
        : psqlLine(
            address.slice(0, at),
            address.slice(at + 1),
            line.name,
            viewer?.name ?? 'YOU',
            house.current.now.config.gateway,
          ),
  };
}

/** `channel_binding` is for tokens that go by SCRAM; a token of an identity provider goes as a password inside TLS. */
export function psqlLine(
  host: string,
  port: string,
  target: string,
  user: string,
  gateway: { readonly tls: { readonly kind: string }; readonly dataDir: string },
): string {
  const tls =
    gateway.tls.kind === 'off'
      ? 'sslmode=disable'
      : gateway.tls.kind === 'auto'
        ? `sslmode=verify-full sslrootcert=${gateway.dataDir}/ca.pem`
        : 'sslmode=verify-full';
  const name = /^(0\.0\.0\.0|127\.\d+\.\d+\.\d+|\[?::1?\]?)$/.test(host) ? 'localhost' : host;
  return `psql "host=${name} port=${port} dbname=${target} user=${user} ${tls}"`;
}

function tokenView(token: StoredTokenView): TokenView {
  const { id, account, createdAt, createdBy, expiresAt } = token;
  return { id, account, createdAt, createdBy, expiresAt, revokedAt: token.revokedAt };
}

function isAgent(house: House, account: string): boolean {
  return (house.current.now.config.identity.agents ?? []).some(({ name }) => name === account);
}

function actorOf(by: Caller): Principal | 'operator' {
  return by.kind === 'operator' ? 'operator' : by.identified.principal;
}
