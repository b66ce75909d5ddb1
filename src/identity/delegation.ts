import { z } from 'zod';
import type { JsonObject } from '../core/json.ts';
import { DELEGATION_LINKS_MAX, delegationChain, type Principal } from '../core/principal.ts';
import { OWN_PROVIDER } from './config.ts';
import { accountPrincipal, agentPrincipal } from './principals.ts';
import type { Settings } from './settings.ts';
import { parseStrictObject } from './strict-json.ts';

/**
 * Whom an agent's token acts for, as it is kept. Accounts of the gateway are kept by name and looked up when the token is
 * shown; of people from outside the gateway knows only what their provider said when they made the token.
 */
export function storedDelegation(principal: Principal): JsonObject {
  if (principal.provider === OWN_PROVIDER) {
    const inner = principal.onBehalfOf === null ? {} : { for: storedDelegation(principal.onBehalfOf) };
    return { account: principal.name, ...inner };
  }
  const { kind, id, name, provider, groups, claims } = principal;
  return { kind, id, name, provider, groups, claims };
}

/** The principal of a kept delegation under these settings; `null`: nobody it names is known any more. */
export function loadedDelegation(stored: string, settings: Settings): Principal | null {
  return load(parseStrictObject(stored), settings, 1);
}

/** The id of whoever a kept delegation names, for lists. */
export function delegateId(stored: string): string | null {
  const value = parseStrictObject(stored);
  const id = value?.id ?? (typeof value?.account === 'string' ? `${OWN_PROVIDER}/${value.account}` : null);
  return typeof id === 'string' ? id : null;
}

function load(stored: unknown, settings: Settings, links: number): Principal | null {
  if (links > DELEGATION_LINKS_MAX) return null;
  const own = OWN.safeParse(stored);
  if (own.success) {
    const account = settings.accounts.get(own.data.account);
    if (account === undefined) return null;
    if (account.kind === 'service')
      return own.data.for === undefined ? accountPrincipal(account.line, settings.people) : null;
    const inner = own.data.for === undefined ? null : load(own.data.for, settings, links + 1);
    return inner === null ? null : agentPrincipal(account.line, inner);
  }
  const foreign = FOREIGN.safeParse(stored);
  if (!foreign.success) return null;
  if (!settings.providers.some(({ line }) => line.name === foreign.data.provider)) return null;
  const { kind, id } = foreign.data;
  return {
    ...foreign.data,
    person: settings.people.personOf(id),
    onBehalfOf: null,
    mayApprove: kind === 'human',
  };
}

/** Whether an agent may act for this principal: somebody is at the end of the chain, and the chain is short. */
export function mayDelegate(principal: Principal): boolean {
  const chain = delegationChain(principal);
  return chain.length < DELEGATION_LINKS_MAX && chain.at(-1)?.kind !== 'agent';
}

const OWN = z.strictObject({ account: z.string(), for: z.record(z.string(), z.unknown()).optional() });
const FOREIGN = z.strictObject({
  kind: z.enum(['human', 'workload']),
  id: z.string(),
  name: z.string(),
  provider: z.string(),
  groups: z.array(z.string()),
  claims: z.record(z.string(), z.array(z.string())),
});
