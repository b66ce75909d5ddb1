import { dirname, isAbsolute, join } from 'node:path';
import type { z } from 'zod';
import { LIMITS, type Limits } from '../core/limits.ts';
import { checkIdentity } from '../identity/check.ts';
import type { Config, GatewayConfig, ListenersConfig, TargetConfig } from './config.ts';
import type { ConfigFiles } from './files.ts';
import { deepFreeze } from './freeze.ts';
import type { Problem } from './problem.ts';
import { checkReferences } from './references.ts';
import { parsed, resolveTarget, type TargetContext } from './resolve-target.ts';
import { configSchema, RESERVED_SECTIONS } from './schema.ts';
import { parseSecret, type SecretRef, type SecretSource, secretRef } from './secret.ts';
import type { Sourced, Sources } from './sources.ts';
import { defaultsEntry, type PostgresTargetText, postgresTarget, type TargetEntryText } from './target-schema.ts';
import { type Address, addressText, isLoopback, parseAddress, parsePublicUrl } from './values.ts';

export interface ResolveContext {
  readonly env: NodeJS.ProcessEnv;
  readonly files: ConfigFiles;
  readonly now: number;
  readonly secretsPresent: boolean;
}

export interface Resolved {
  readonly config: Config | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** From lines of the right shape to what they mean: defaults, paths, and what only shows when lines are seen together. */
export function resolveConfig(path: string, sources: Sources, context: ResolveContext): Resolved {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const source = secretSource(context);
  const { main } = sources;
  const targetContext: TargetContext = {
    defaults: sources.defaults,
    labelsRequired: main?.value.labels_required ?? [],
    source,
    absolute: absoluteFrom,
    now: context.now,
    problems,
    warnings,
  };
  const references = (schema: z.ZodType, line: Sourced<unknown>) => {
    const found = checkReferences(schema, line.value, {
      document: line.document,
      base: line.path,
      source,
      absolute: (relative) => absoluteFrom(relative, line.directory),
      present: context.secretsPresent,
    });
    problems.push(...found.problems);
    warnings.push(...found.warnings);
  };
  const targets: TargetConfig[] = [];
  for (const line of sources.targets) {
    if (!isPostgres(line)) {
      problems.push(
        line.document.problemAt(
          [...line.path, 'protocol'],
          `protocol ${line.value.protocol} is not supported by this version`,
        ),
      );
      continue;
    }
    references(postgresTarget, line);
    const target = resolveTarget(line, targetContext);
    if (target !== null) targets.push(target);
  }
  for (const line of sources.defaults) references(defaultsEntry, line);
  problems.push(...namedTwice(sources.targets));
  if (main === null) return { config: null, problems, warnings };
  references(configSchema, main);
  const listeners = resolveListeners(main, problems);
  problems.push(...unsupported(main), ...addressesUsedTwice(listeners, sources));
  const gateway = resolveGateway(main, problems);
  for (const finding of checkIdentity(main.value.identity, gateway.publicUrl)) {
    const found = main.document.problemAt(['identity', ...finding.path], finding.message);
    (finding.severity === 'error' ? problems : warnings).push(found);
  }
  checkGateway(main, gateway, listeners, targets, { problems, warnings });
  if (sources.policies.length === 0) {
    warnings.push(main.document.problemAt(['policies'], 'no policy: everything is refused'));
  }
  const { directories, files, patterns, policies } = sources;
  const config: Config = {
    gateway,
    listeners,
    ...resolveIdentity(main, source),
    targets,
    policies,
    labelsRequired: main.value.labels_required,
    durability: main.value.audit.durability,
    approvals: { url: main.value.approvals.url ?? null },
    limits: { ...LIMITS, ...definedOnly(main.value.limits) },
    source: { path, directory: dirname(path), files, directories, patterns },
  };
  return { config: deepFreeze(config), problems, warnings };
}

type Main = NonNullable<Sources['main']>;

function resolveGateway(main: Main, problems: Problem[]): GatewayConfig {
  const { gateway } = main.value;
  const dataDir = absoluteFrom(gateway.data_dir, main.directory);
  if (gateway.store !== 'sqlite') {
    // A URL may carry a password: it is not repeated.
    const kind = /^postgres(ql)?:/.test(gateway.store) ? 'a store in postgres is' : 'any store but sqlite is';
    problems.push(main.document.problemAt(['gateway', 'store'], `${kind} not supported by this version`));
  }
  return {
    name: gateway.name,
    dataDir,
    publicUrl: gateway.public_url === undefined ? null : parsed(parsePublicUrl(gateway.public_url)),
    tls:
      typeof gateway.tls === 'string'
        ? { kind: gateway.tls }
        : {
            kind: 'files',
            cert: absoluteFrom(gateway.tls.cert, main.directory),
            key: absoluteFrom(gateway.tls.key, main.directory),
          },
    store: { kind: 'sqlite', path: join(dataDir, 'state.db') },
    insecureLoopback: gateway.insecure_loopback,
  };
}

/** The section without its secrets, and the secrets by provider. */
function resolveIdentity(main: Main, source: SecretSource): Pick<Config, 'identity' | 'clientSecrets'> {
  const clientSecrets: Record<string, SecretRef> = {};
  const providers = main.value.identity.providers?.map((provider) => {
    if (provider.type !== 'oidc' || provider.client_secret === undefined) return provider;
    const { client_secret, ...open } = provider;
    const absolute = (path: string) => absoluteFrom(path, main.directory);
    clientSecrets[provider.name] = secretRef(parseSecret(client_secret), source, absolute);
    return open;
  });
  const identity = providers === undefined ? main.value.identity : { ...main.value.identity, providers };
  return { identity, clientSecrets };
}

function resolveListeners(main: Main, problems: Problem[]): ListenersConfig {
  const { listeners } = main.value;
  for (const protocol of ['mysql', 'ssh', 'kubernetes', 'http'] as const) {
    if (listeners[protocol] === undefined || listeners[protocol] === null) continue;
    problems.push(main.document.problemAt(['listeners', protocol], 'not supported by this version'));
  }
  const at = (text: string | undefined): Address | null =>
    text === undefined ? null : parsed(parseAddress(text, null));
  return { api: at(listeners.api), postgres: at(listeners.postgres) };
}

function checkGateway(
  main: Main,
  gateway: GatewayConfig,
  listeners: ListenersConfig,
  targets: readonly TargetConfig[],
  { problems, warnings }: { problems: Problem[]; warnings: Problem[] },
): void {
  const ports = [listeners.api, listeners.postgres, ...targets.map((target) => target.listen)];
  const open = ports.filter((address) => address !== null && !isLoopback(address));
  if (gateway.tls.kind === 'off' && open.length > 0) {
    const list = open.map((address) => (address === null ? '' : addressText(address))).join(', ');
    problems.push(
      main.document.problemAt(['gateway', 'tls'], `tls: off is for loopback listeners only, not for ${list}`),
    );
  }
  if (gateway.tls.kind === 'off' && !gateway.insecureLoopback) {
    const message = 'tls: off without insecure_loopback: clients that send a token as password (OIDC, CI) are refused';
    warnings.push(main.document.problemAt(['gateway', 'tls'], message));
  }
  if (gateway.publicUrl?.startsWith('http:') === true && !isLoopback(hostOf(gateway.publicUrl))) {
    problems.push(main.document.problemAt(['gateway', 'public_url'], 'http is for loopback only; use https'));
  }
}

function unsupported(main: Main): readonly Problem[] {
  return RESERVED_SECTIONS.filter((section) => asksSomething(main.value[section])).map((section) =>
    main.document.problemAt([section], 'not supported by this version'),
  );
}

/** An empty section may stand there for a later version. */
function asksSomething(value: unknown): boolean {
  if (value === null || value === undefined) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

function namedTwice(targets: readonly Sourced<TargetEntryText>[]): readonly Problem[] {
  const seen = new Set<string>();
  return targets.flatMap((line) => {
    const { name } = line.value;
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [line.document.problemAt([...line.path, 'name'], `another target is called ${name}`)];
  });
}

function addressesUsedTwice(listeners: ListenersConfig, sources: Sources): readonly Problem[] {
  const seen = new Map<string, string>();
  if (listeners.api !== null) seen.set(addressText(listeners.api), 'listeners.api');
  const problems: Problem[] = [];
  const take = (address: Address, who: string, problem: (message: string) => Problem) => {
    const text = addressText(address);
    const other = seen.get(text);
    // Port 0 asks the system for one nobody has.
    if (other !== undefined && !(address.kind === 'tcp' && address.port === 0)) {
      problems.push(problem(`${text} is taken by ${other}`));
    }
    seen.set(text, who);
  };
  const { main } = sources;
  if (listeners.postgres !== null && main !== null) {
    take(listeners.postgres, 'listeners.postgres', (message) =>
      main.document.problemAt(['listeners', 'postgres'], message),
    );
  }
  for (const line of sources.targets) {
    if (!isPostgres(line) || line.value.listen === undefined) continue;
    take(parsed(parseAddress(line.value.listen, null)), `target ${line.value.name}`, (message) =>
      line.document.problemAt([...line.path, 'listen'], message),
    );
  }
  return problems;
}

function isPostgres(line: Sourced<TargetEntryText>): line is Sourced<PostgresTargetText> {
  return line.value.protocol === 'postgres';
}

function secretSource(context: ResolveContext): SecretSource {
  return { environment: (name) => context.env[name], file: (path) => context.files.read(path) };
}

function absoluteFrom(path: string, directory: string): string {
  return isAbsolute(path) ? path : join(directory, path);
}

function hostOf(url: string): Address {
  return { kind: 'tcp', host: new URL(url).hostname.replace(/^\[|\]$/g, ''), port: 0 };
}

function definedOnly(limits: Readonly<Record<string, number | undefined>>): Partial<Limits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}
