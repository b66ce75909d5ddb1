import type { Action, ActionDraft, Classification } from '../core/action.ts';
import { GatewayError } from '../core/errors.ts';
import type { EpochMs } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Resource } from '../core/resource.ts';
import type { Session } from '../core/session.ts';
import type { Reason } from '../core/verdict.ts';
import type { Identification } from '../identity/stage.ts';
import type { Upstream } from '../protocols/protocol.ts';
import type { GatewayPorts, Listener } from './ports.ts';
import { credentialFor, parseTargetName, type Target, type TargetCredential } from './targets.ts';

/** A target that was found for a principal, before anybody decided that he may go there. */
export interface Destination {
  readonly target: Target;
  readonly database: string;
  readonly credential: TargetCredential;
}

/** Where a client wants to go, or `null`: unknown, of another protocol, or without a credential for this principal. */
export function destinationOf(
  ports: GatewayPorts,
  listener: Listener,
  asked: string,
  principal: Principal,
): Destination | null {
  const named = listener.target === null ? parseTargetName(asked) : { target: listener.target, database: asked };
  const target = ports.target(named.target);
  if (target === null || target.protocol !== listener.protocol.name) return null;
  const credential = credentialFor(target, principal);
  if (credential === null) return null;
  const database = named.database === null || named.database === '' ? target.database : named.database;
  if (database !== target.database && target.databases !== null && !target.databases.includes(database)) return null;
  return { target, database, credential };
}

export function sessionOf(
  ports: GatewayPorts,
  destination: Destination,
  identified: Identification & { outcome: 'identified' },
  client: { address: string; name: string },
): Session {
  const { target, database, credential } = destination;
  return {
    id: ports.id('ses'),
    runId: null,
    protocol: target.protocol,
    principal: identified.principal,
    target: target.name,
    resource: databaseResource(target, database),
    database,
    role: credential.user,
    clientAddress: client.address,
    clientName: client.name,
    startedAt: ports.now(),
    endsAt: earlier(identified.endsAt, target.sessionMax_ms === null ? null : ports.now() + target.sessionMax_ms),
    justification: '',
  };
}

/** `crm`, or another database of it, `crm@reports`, which lies in it. */
export function databaseResource(target: Target, database: string): Resource {
  if (database === target.database) return target.resource;
  return { ...target.resource, id: `${target.resource.id}@${database}`, parent: target.resource };
}

function earlier(one: EpochMs | null, other: EpochMs | null): EpochMs | null {
  return one === null || other === null ? (one ?? other) : Math.min(one, other);
}

/** A draft with its who, where and when. Field by field: spreading costs, and this is done for every statement. */
export function actionOf(draft: ActionDraft, session: Session, sequence: number, at: EpochMs): Action {
  return {
    classification: draft.classification,
    kind: draft.kind,
    text: draft.text,
    parameters: draft.parameters,
    state: draft.state,
    id: `${session.id}.${sequence}`,
    session,
    runId: session.runId,
    sequence,
    protocol: session.protocol,
    target: session.target,
    principal: session.principal,
    at,
  };
}

/** May this session be opened at all? */
export function openDraft(session: Session): ActionDraft {
  const classification: Classification = {
    verb: 'open',
    clarity: 'parsed',
    touches: [{ action: 'open', resource: session.resource }],
    uses: [],
    facts: {},
    findings: [],
  };
  const text = Buffer.from(`open ${session.target}/${session.database}`);
  return { classification, kind: 'open', text, parameters: [], state: '' };
}

/** What the conversation needs to log in at the target. */
export async function upstreamOf(ports: GatewayPorts, destination: Destination, session: Session): Promise<Upstream> {
  const { target, credential } = destination;
  const readOnly = !ports.mayWrite(session.principal, target);
  return {
    user: credential.user,
    password: await credential.password(),
    auth: credential.auth,
    database: destination.database,
    tls: target.tls,
    settings: {
      ...target.settings,
      application_name: applicationName(session),
      ...(readOnly ? { default_transaction_read_only: 'on' } : {}),
    },
    catalogue: await ports.catalogues.current(target.name, destination.database),
  };
}

/** Unknown target, target one may not open and wrong password are one outward answer. */
export const NOT_OPENED: Reason = {
  code: 'IDENTITY_REFUSED',
  rule: null,
  why: 'access denied',
  hint: 'check the name, the token and the target: `sallyport whoami` and `sallyport targets` say what they are',
  cure: null,
  retry: 'never',
  request: null,
};

export function reasonOf(fault: unknown): Reason {
  const known = fault instanceof GatewayError;
  return {
    code: known ? fault.code : 'TARGET_UNREACHABLE',
    rule: null,
    why: known ? fault.message : 'the target could not be opened',
    hint: 'try again; if it stays, tell whoever runs the gateway',
    cure: null,
    retry: 'later',
    request: null,
  };
}

export const TARGET_STALLED: Reason = reasonOf(
  new GatewayError('TARGET_LOGIN', 'the target did not finish its login in time'),
);

/** Who is there, in the words of the target's own activity view; at most NAMEDATALEN - 1 bytes of ASCII. */
function applicationName(session: Session): string {
  const name = session.principal.name.replace(/[^\x20-\x7e]/g, '?');
  return `sallyport ${session.id} ${name}`.slice(0, 63);
}
