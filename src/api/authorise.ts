import { GatewayError } from '../core/errors.ts';
import { bearerToken, type Door, isLoopbackPeer } from './guard.ts';
import type { ApiRooms, Caller, ControlAction } from './ports.ts';
import { ReasonError } from './problem.ts';
import type { Access } from './route.ts';

export interface Asked {
  readonly door: Door;
  readonly authorization: string | undefined;
  readonly clientAddress: string;
  /** What the route is about, for the record. */
  readonly subject: string | null;
}

/** Who calls, once it is certain that he may; throws otherwise. A handler never runs before this has returned. */
export async function authorise(access: Access, asked: Asked, rooms: ApiRooms): Promise<Caller> {
  if (access.kind === 'public') return NOBODY;
  if (access.kind === 'local' && asked.door.kind === 'network' && asked.authorization === undefined) {
    if (isLoopbackPeer(asked.clientAddress)) return NOBODY;
  }
  const caller = await identify(asked, rooms);
  if (access.kind === 'authenticated') return caller;
  const { action } = access;
  if (caller.kind === 'operator') {
    if (access.kind === 'local' || access.operator) {
      await record(action, caller, asked, 'allowed', [], rooms);
      return caller;
    }
    await record(action, caller, asked, 'refused', [], rooms);
    throw new GatewayError('OPERATOR_REFUSED', `${action} is not for the operator`);
  }
  const { allowed, rules } = rooms.policy.may(caller.identified.principal, action, asked.clientAddress);
  await record(action, caller, asked, allowed ? 'allowed' : 'refused', rules, rooms);
  if (!allowed) {
    throw new ReasonError({
      code: 'POLICY_DENIED',
      rule: rules[0] ?? null,
      why: `${action} is not permitted to ${caller.identified.principal.id}`,
      hint: 'the control plane is for people whom a rule permits the action by name',
      cure: null,
      retry: 'never',
      request: null,
    });
  }
  return caller;
}

/** Still allowed? Asked again while a tail is open. */
export function stillAllowed(access: Access, caller: Caller, clientAddress: string, rooms: ApiRooms): boolean {
  if (caller.kind === 'operator' || access.kind === 'public' || access.kind === 'authenticated') return true;
  return rooms.policy.may(caller.identified.principal, access.action, clientAddress).allowed;
}

async function identify(asked: Asked, rooms: ApiRooms): Promise<Caller> {
  if (asked.door.kind === 'operator') return { kind: 'operator' };
  const token = bearerToken(asked.authorization);
  if (token === null) throw new GatewayError('IDENTITY_REFUSED', 'no bearer token');
  if (!asked.door.tls && !isLoopbackPeer(asked.clientAddress)) {
    throw new GatewayError('CLEARTEXT_REFUSED', 'a token came over an unencrypted line');
  }
  const identification = await rooms.identity.identify(token, asked.clientAddress);
  if (identification.outcome === 'refused') throw new ReasonError(identification.reason);
  return { kind: 'principal', identified: identification };
}

async function record(
  action: ControlAction,
  by: Caller,
  asked: Asked,
  outcome: 'allowed' | 'refused',
  rules: readonly string[],
  rooms: ApiRooms,
): Promise<void> {
  await rooms.audit.record({ action, by, clientAddress: asked.clientAddress, subject: asked.subject, outcome, rules });
}

/** Somebody of whom nothing is known: no rule permits an agent without groups anything, and no list shows him anything. */
const NOBODY: Caller = {
  kind: 'principal',
  identified: {
    outcome: 'identified',
    principal: {
      kind: 'agent',
      id: 'nobody',
      name: 'nobody',
      provider: 'none',
      groups: [],
      claims: {},
      person: null,
      onBehalfOf: null,
      mayApprove: false,
    },
    by: 'nothing',
    endsAt: null,
  },
};
