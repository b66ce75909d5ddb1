import type {
  AgentConfig,
  IdentityConfig,
  OidcConfig,
  ProviderConfig,
  ServiceAccountConfig,
  WorkloadConfig,
} from './config.ts';
import { OWN_PROVIDER } from './config.ts';
import { placeholders } from './workload.ts';

/** Something about the `identity` section that its shape alone does not show. */
export interface IdentityFinding {
  readonly severity: 'error' | 'warning';
  /** Keys that lead there, below `identity`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Everything that is wrong or risky, at once. With an error among them, the configuration is not to be used. */
export function checkIdentity(config: IdentityConfig, publicUrl: string | null): readonly IdentityFinding[] {
  const findings: IdentityFinding[] = [];
  const found: Found = (severity, path, message) => findings.push({ severity, path, message });
  const providers = config.providers ?? [];
  checkNames(providers, ['providers'], found);
  const accounts = [
    ...(config.service_accounts ?? []).map((account, index) => ({
      account,
      path: ['service_accounts', index] as const,
    })),
    ...(config.agents ?? []).map((account, index) => ({ account, path: ['agents', index] as const })),
  ];
  // Service accounts and agents share one space of names: a login names either.
  const seen = new Set<string>();
  for (const { account, path } of accounts) {
    if (seen.has(account.name)) found('error', [...path, 'name'], `a second account is called '${account.name}'`);
    seen.add(account.name);
    checkAccount(account, path, config, found);
  }
  providers.forEach((provider, index) => {
    const path = ['providers', index] as const;
    if (provider.name === OWN_PROVIDER) {
      found('error', [...path, 'name'], `'${OWN_PROVIDER}' is the provider of the gateway's own accounts`);
    }
    if (provider.type === 'saml') found('error', [...path, 'type'], 'saml is not supported by this version');
    if (provider.type === 'oidc') checkOidc(provider, path, found);
    if (provider.type === 'workload') checkWorkload(provider, path, publicUrl, found);
  });
  checkClients(providers, found);
  checkPeople(config, found);
  return findings;
}

type Path = readonly (string | number)[];
type Found = (severity: IdentityFinding['severity'], path: Path, message: string) => void;

function checkNames(entries: readonly { readonly name: string }[], path: Path, found: Found): void {
  const seen = new Set<string>();
  entries.forEach(({ name }, index) => {
    if (seen.has(name)) found('error', [...path, index, 'name'], `a second entry is called '${name}'`);
    seen.add(name);
  });
}

function checkOidc(provider: OidcConfig, path: Path, found: Found): void {
  if (provider.groups === 'trusted' && provider.groups_allowed === undefined) {
    found(
      'error',
      [...path, 'groups'],
      'groups: trusted needs groups_allowed, the groups that may be used by their bare name',
    );
  }
  if (provider.groups !== 'trusted' && provider.groups_allowed !== undefined) {
    found('error', [...path, 'groups_allowed'], 'groups_allowed has no effect without groups: trusted');
  }
  if (provider.groups === 'trusted' && provider.groups_claim === undefined) {
    found('error', [...path, 'groups'], 'groups: trusted has no effect without groups_claim');
  }
}

function checkWorkload(provider: WorkloadConfig, path: Path, publicUrl: string | null, found: Found): void {
  const at = (key: string, ...keys: Path): Path => [...path, key, ...keys];
  if (provider.audience === undefined && publicUrl === null) {
    found('error', path, 'audience is missing and gateway.public_url, its default, is not set');
  }
  if (provider.audience !== undefined && publicUrl !== null && provider.audience !== publicUrl) {
    found(
      'warning',
      at('audience'),
      `audience is not public_url ${publicUrl}: a token for another gateway may be replayed here`,
    );
  }
  if (Object.keys(provider.require).length === 0) {
    found('error', at('require'), 'require is empty: every workload of this issuer would be let in');
  }
  for (const [claim, wanted] of Object.entries(provider.require)) {
    if ([wanted].flat().some((value) => value.includes('*'))) {
      found('warning', at('require', claim), `values are compared whole: '*' in ${claim} matches itself only`);
    }
  }
  checkForge(provider, path, found);
  if (provider.subject !== undefined) checkSubject(provider, provider.subject, at('subject'), found);
  if (provider.person !== undefined && provider.acts_for !== undefined) {
    found('error', at('person'), 'person and acts_for cannot both say who answers for it');
  }
}

/** Who may get a token of a forge is decided by what anybody may open there: repositories, forks, pull requests. */
function checkForge(provider: WorkloadConfig, path: Path, found: Found): void {
  const requires = (claim: string): boolean => Object.hasOwn(provider.require, claim);
  const named = [...Object.keys(provider.require), ...placeholders(provider.subject ?? '')];
  const issuedByGithub = isGithub(provider.issuer);
  if (issuedByGithub || named.some((claim) => claim.startsWith('repository') || claim === 'job_workflow_ref')) {
    const severity = issuedByGithub ? 'error' : 'warning';
    if (!requires('repository_id') && !requires('job_workflow_ref')) {
      found(
        severity,
        [...path, 'require'],
        'require needs repository_id or job_workflow_ref: a repository name can be registered again by somebody else',
      );
    }
    if (!requires('event_name')) {
      found(
        severity,
        [...path, 'require'],
        "require needs event_name: pull_request_target runs a stranger's pull request on the main branch",
      );
    }
  }
  if (issuedByGithub && !['ref', 'environment', 'job_workflow_ref'].some(requires)) {
    found('warning', [...path, 'require'], 'require names neither ref nor environment: a push to any branch gets in');
  }
  if (new URL(provider.issuer).hostname === 'gitlab.com' && !requires('project_id')) {
    found(
      'error',
      [...path, 'require'],
      'require needs project_id: every project on gitlab.com gets tokens of this issuer',
    );
  }
}

function checkSubject(provider: WorkloadConfig, subject: string, path: Path, found: Found): void {
  if (subject.includes('*'))
    found('warning', path, "'*' in subject is no wildcard and makes a name that looks like one");
  const names = placeholders(subject);
  if (names.length === 0) found('warning', path, 'subject names no claim: all its workloads are one principal');
  if (/\}[\p{L}\p{N}]*\{/u.test(subject)) found('error', path, 'two claims in subject need punctuation between them');
  for (const name of names) {
    const nameInside = name === 'sub' && isGithub(provider.issuer);
    if (RENAMEABLE.has(name) || nameInside) {
      found('warning', path, `claim ${name} can change or be taken over by a rename; use an id, such as repository_id`);
    }
  }
}

/** Two lines for one client would make the first one's name win by order alone. */
function checkClients(providers: readonly ProviderConfig[], found: Found): void {
  const seen = new Set<string>();
  providers.forEach((provider, index) => {
    if (provider.type !== 'oidc') return;
    const key = JSON.stringify([provider.issuer, provider.client_id]);
    if (seen.has(key)) found('error', ['providers', index], 'another provider has this issuer and client_id');
    seen.add(key);
  });
}

function checkAccount(
  account: ServiceAccountConfig | AgentConfig,
  path: Path,
  config: IdentityConfig,
  found: Found,
): void {
  const mayApprove = 'may_approve' in account && account.may_approve === true;
  if (mayApprove && account.person === undefined) {
    found('error', [...path, 'may_approve'], 'an account that may approve must name its person');
  }
  if (account.person === undefined) return;
  const known = Object.hasOwn(config.people ?? {}, account.person) || isPrincipalOf(config, account.person);
  if (!known && (config.providers ?? []).some((provider) => provider.type === 'oidc')) {
    found(
      'warning',
      [...path, 'person'],
      `people: does not say who ${account.person} is when he signs in, so the gateway takes the two for different persons`,
    );
  }
}

function checkPeople(config: IdentityConfig, found: Found): void {
  const owners = new Map<string, string>();
  for (const [person, ids] of Object.entries(config.people ?? {})) {
    ids.forEach((id, index) => {
      const path = ['people', person, index];
      const other = owners.get(id);
      if (other !== undefined) found('error', path, `${id} is also ${other}`);
      owners.set(id, person);
      if (!isPrincipalOf(config, id)) found('error', path, `no provider is called '${id.split('/', 1)[0] ?? ''}'`);
    });
  }
}

function isPrincipalOf(config: IdentityConfig, id: string): boolean {
  const [provider, ...subject] = id.split('/');
  if (subject.length === 0) return false;
  return provider === OWN_PROVIDER || (config.providers ?? []).some((line) => line.name === provider);
}

/** GitHub's issuer, an enterprise's own below it, and GitHub Enterprise Server's. */
function isGithub(issuer: string): boolean {
  const url = new URL(issuer);
  return url.hostname === 'token.actions.githubusercontent.com' || url.pathname.endsWith('/_services/token');
}

/** Names at GitHub and GitLab that their owners, or later owners, choose. */
const RENAMEABLE = new Set([
  ...[
    'repository',
    'repository_owner',
    'actor',
    'workflow',
    'ref',
    'head_ref',
    'base_ref',
    'email',
    'preferred_username',
  ],
  ...['project_path', 'namespace_path', 'user_login', 'user_email', 'name'],
]);
