import type { GroupId, PersonId, PrincipalId } from '../core/ids.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { Principal } from '../core/principal.ts';
import { isIdentifier, shown } from './claims.ts';
import type { AgentConfig, IdentityConfig, OidcConfig, ServiceAccountConfig, WorkloadConfig } from './config.ts';
import { OWN_PROVIDER } from './config.ts';
import { ownClaim, placeholders, scalar, subjectFrom, unmetRequirement } from './workload.ts';

export type Named =
  | {
      readonly outcome: 'named';
      readonly principal: Principal;
      /** What the client may write into a user name field, besides the principal's name and id. */
      readonly aliases: readonly string[];
    }
  | { readonly outcome: 'refused'; readonly why: string };

/** Which principals are one human: H2's rule is an explicit map, never a comparison of e-mail addresses. */
export class People {
  readonly #persons = new Map<PrincipalId, PersonId>();
  /** Names of the gateway's own accounts: nobody from outside is shown under one of them. */
  readonly accountNames: ReadonlySet<string>;

  constructor(config: IdentityConfig) {
    for (const [person, ids] of Object.entries(config.people ?? {})) {
      for (const id of ids) this.#persons.set(id, person);
    }
    this.accountNames = new Set([...(config.service_accounts ?? []), ...(config.agents ?? [])].map(({ name }) => name));
  }

  personOf(id: PrincipalId): PersonId {
    return this.#persons.get(id) ?? id;
  }
}

export function accountPrincipal(account: ServiceAccountConfig, people: People): Principal {
  const person = account.person === undefined ? null : people.personOf(account.person);
  return {
    kind: 'workload',
    id: `${OWN_PROVIDER}/${account.name}`,
    name: account.name,
    provider: OWN_PROVIDER,
    groups: account.groups ?? [],
    claims: {},
    person,
    onBehalfOf: null,
    mayApprove: account.may_approve === true && person !== null,
  };
}

/** An agent has only its own groups; the person answering for what it does is the one it acts for. */
export function agentPrincipal(agent: AgentConfig, onBehalfOf: Principal): Principal {
  return {
    kind: 'agent',
    id: `${OWN_PROVIDER}/${agent.name}`,
    name: agent.name,
    provider: OWN_PROVIDER,
    groups: agent.groups ?? [],
    claims: {},
    person: onBehalfOf.person,
    onBehalfOf,
    mayApprove: false,
  };
}

export function humanPrincipal(
  provider: OidcConfig,
  subject: string,
  claims: JsonObject,
  people: People,
  groups_max: number,
): Named {
  const groups = humanGroups(provider, claims, groups_max);
  if ('why' in groups) return { outcome: 'refused', why: groups.why };
  const id = `${provider.name}/${subject}`;
  const email = claims.email_verified === true && isName(claims.email) ? claims.email : null;
  const claimed = provider.username_claim === undefined ? email : nameClaim(claims, provider.username_claim, email);
  const name =
    claimed !== null && !people.accountNames.has(claimed) ? claimed : people.accountNames.has(subject) ? id : subject;
  return {
    outcome: 'named',
    principal: {
      kind: 'human',
      id,
      name,
      provider: provider.name,
      groups,
      claims: chosenClaims(claims, provider.claims ?? []),
      person: people.personOf(id),
      onBehalfOf: null,
      mayApprove: true,
    },
    aliases: [subject, `${provider.name}/${name}`, ...(email === null ? [] : [email])],
  };
}

export function workloadPrincipal(provider: WorkloadConfig, sub: string, claims: JsonObject, people: People): Named {
  const unmet = unmetRequirement(claims, provider.require);
  if (unmet !== null) return { outcome: 'refused', why: unmet };
  const subject = provider.subject === undefined ? sub : subjectFrom(provider.subject, claims);
  if (subject === null)
    return { outcome: 'refused', why: `claims of subject ${provider.subject ?? ''} are missing or ill-formed` };
  const person = workloadPerson(provider, claims, people);
  if (person === undefined)
    return { outcome: 'refused', why: `claim ${provider.acts_for ?? ''} does not say who it acts for` };
  const own = provider.groups ?? [];
  const used = [...Object.keys(provider.require), ...placeholders(provider.subject ?? ''), ...(provider.claims ?? [])];
  return {
    outcome: 'named',
    principal: {
      kind: 'workload',
      id: `${provider.name}/${subject}`,
      name: people.accountNames.has(subject) ? `${provider.name}/${subject}` : subject,
      provider: provider.name,
      // The groups stand in the gateway's own configuration, so the bare names are the gateway's own.
      groups: [...own.map((group) => `${provider.name}/${group}`), ...own],
      claims: chosenClaims(claims, used),
      person,
      onBehalfOf: null,
      mayApprove: false,
    },
    aliases: [subject],
  };
}

/** `undefined`: it must name a person and does not. */
function workloadPerson(provider: WorkloadConfig, claims: JsonObject, people: People): PersonId | null | undefined {
  if (provider.person !== undefined) return people.personOf(provider.person);
  if (provider.acts_for === undefined) return null;
  const human = scalar(ownClaim(claims, provider.acts_for));
  return human === null || !isIdentifier(human) ? undefined : people.personOf(`${provider.name}/${human}`);
}

/** Every group as `PROVIDER/group`; those the allow-list names by their bare name as well. */
function humanGroups(
  provider: OidcConfig,
  claims: JsonObject,
  groups_max: number,
): readonly GroupId[] | { why: string } {
  if (provider.groups_claim === undefined) return [];
  const value = ownClaim(claims, provider.groups_claim);
  // OpenID Connect Core §5.6.2: the claim is elsewhere. Entra does that above 200 groups; a rule that forbids a group
  // something would not find it, so a list that is not there is not an empty list.
  const elsewhere = ownClaim(claims, '_claim_names');
  if (typeof elsewhere === 'object' && elsewhere !== null && provider.groups_claim in elsewhere) {
    return { why: `claim ${provider.groups_claim} is not in the token (too many groups)` };
  }
  if (value === undefined || value === null) return [];
  const groups: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  if (groups.length > groups_max) return { why: `${groups.length} groups, limit ${groups_max}` };
  const allowed = new Set(provider.groups === 'trusted' ? (provider.groups_allowed ?? []) : []);
  const ids = new Set<GroupId>();
  for (const group of groups) {
    if (typeof group !== 'string' || !isIdentifier(group)) return { why: `group ${shown(group)} is ill-formed` };
    ids.add(`${provider.name}/${group}`);
    if (allowed.has(group)) ids.add(group);
  }
  return [...ids];
}

/** An e-mail address that nobody verified is whatever its owner typed: never a name, under whichever claim it comes. */
function nameClaim(claims: JsonObject, claim: string, verifiedEmail: string | null): string | null {
  const value = ownClaim(claims, claim);
  if (!isName(value)) return null;
  const isEmail = claim === 'email' || (value === claims.email && claims.email_verified === false);
  return isEmail && value !== verifiedEmail ? null : value;
}

function isName(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && isIdentifier(value) && value !== ANYBODY;
}

function chosenClaims(claims: JsonObject, names: readonly string[]): Principal['claims'] {
  const chosen: Record<string, readonly string[]> = {};
  for (const name of new Set(names)) {
    const value = ownClaim(claims, name);
    const values = (Array.isArray(value) ? value : [value]).map(scalar);
    const texts = values.filter((text) => text !== null);
    if (texts.length > 0 && texts.length === values.length) chosen[name] = texts;
  }
  return chosen;
}

/** The user name of a client that lets its token say who it is. */
export const ANYBODY = '-';
