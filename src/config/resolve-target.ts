import type { Config, CredentialConfig, LoginConfig, TargetConfig } from './config.ts';
import type { Problem } from './problem.ts';
import { parseSecret, type SecretSource, secretRef } from './secret.ts';
import type { Sourced } from './sources.ts';
import type { CredentialText, DefaultsText, LoginText, PostgresTargetText } from './target-schema.ts';
import { type Address, isLoopback, type Parsed, parseAddress, parseDuration, parseMoment } from './values.ts';

export interface TargetContext {
  readonly defaults: readonly Sourced<DefaultsText>[];
  readonly labelsRequired: readonly string[];
  readonly source: SecretSource;
  readonly absolute: (path: string, directory: string) => string;
  readonly now: number;
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

/** A target with its defaults applied and every value in its final form; `null` where something is wrong. */
export function resolveTarget(line: Sourced<PostgresTargetText>, context: TargetContext): TargetConfig | null {
  const labels = line.value.labels ?? {};
  const at = new Settings(line, matching(labels, context.defaults));
  const before = context.problems.length;
  const address = parsed(parseAddress(line.value.address, 5432));
  const tls = at.pick('tls')?.value ?? (address.kind === 'unix' ? 'off' : 'verify-full');
  const ca = at.pick('ca');
  const credentials = resolveCredentials(at, context);
  const catalog = at.pick('catalog_credential');
  const sessionMax = at.pick('session_max');
  for (const label of context.labelsRequired) {
    if (labels[label] === undefined)
      context.problems.push(at.problem('labels', `label ${label} is required and missing`));
  }
  const fallback = credentials.at(-1);
  const catalogCredential = catalog === null ? fallback : resolveLogin(catalog.value, catalog, context);
  checkTransport(at, address, tls, credentials, context);
  const mode = resolveMode(at, context);
  if (catalogCredential === undefined || context.problems.length > before) return null;
  return {
    name: line.value.name,
    protocol: 'postgres',
    address,
    listen: line.value.listen === undefined ? null : parsed(parseAddress(line.value.listen, null)),
    tls,
    ca: ca === null ? null : context.absolute(ca.value, ca.directory),
    database: line.value.database ?? line.value.name,
    databases: line.value.databases ?? null,
    credentials,
    catalogCredential: {
      user: catalogCredential.user,
      password: catalogCredential.password,
      auth: catalogCredential.auth,
    },
    labels,
    mode,
    classify: [...(line.value.classify ?? []), ...at.others.flatMap((other) => other.value.classify ?? [])],
    sessionMax_ms: sessionMax === null ? null : parsed(parseDuration(sessionMax.value)),
  };
}

interface Picked<Value> {
  readonly value: Value;
  readonly from: Sourced<unknown>;
  readonly path: readonly PropertyKey[];
  readonly directory: string;
}

/** A target's own line, then the defaults that are for it: the first that says something wins. */
class Settings {
  readonly line: Sourced<PostgresTargetText>;
  readonly others: readonly Sourced<DefaultsText>[];

  constructor(line: Sourced<PostgresTargetText>, others: readonly Sourced<DefaultsText>[]) {
    this.line = line;
    this.others = others;
  }

  pick<Key extends Exclude<keyof DefaultsText, 'labels'>>(key: Key): Picked<NonNullable<DefaultsText[Key]>> | null {
    for (const from of [this.line, ...this.others]) {
      const value = from.value[key];
      // Both kinds of line give these keys the same type; the union of the two loses it.
      if (value !== undefined) {
        return {
          value: value as NonNullable<DefaultsText[Key]>,
          from,
          path: [...from.path, key],
          directory: from.directory,
        };
      }
    }
    return null;
  }

  problem(key: string, message: string): Problem {
    return this.line.document.problemAt([...this.line.path, key], `target ${this.line.value.name}: ${message}`);
  }
}

function matching(labels: Readonly<Record<string, string>>, defaults: readonly Sourced<DefaultsText>[]) {
  return defaults.filter(({ value }) =>
    Object.entries(value.labels ?? {}).every(([name, wanted]) => labels[name] === wanted),
  );
}

function resolveCredentials(at: Settings, context: TargetContext): readonly CredentialConfig[] {
  const picked = at.pick('credential');
  if (picked === null) {
    context.problems.push(at.problem('credential', 'credential is missing'));
    return [];
  }
  const isList = Array.isArray(picked.value);
  const list: readonly CredentialText[] = Array.isArray(picked.value) ? picked.value : [picked.value];
  const everyone = list.findIndex((entry) => entry.for === undefined);
  const place = (index: number) => (isList ? [...picked.path, index] : picked.path);
  if (everyone === 0) {
    const message = `target ${at.line.value.name}: one login for all who may open it; list credentials by group`;
    context.warnings.push(picked.from.document.problemAt(place(0), message));
  }
  if (everyone >= 0 && everyone < list.length - 1) {
    const message = 'nobody comes this far: the entry before it is for everyone';
    context.problems.push(picked.from.document.problemAt(place(everyone + 1), message));
  }
  return list.map((entry, index) => {
    const named = (entry.for?.groups?.length ?? 0) + (entry.for?.principals?.length ?? 0);
    if (entry.for !== undefined && named === 0) {
      context.problems.push(
        picked.from.document.problemAt([...place(index), 'for'], 'names neither a group nor a principal'),
      );
    }
    const login = resolveLogin(entry, picked, context);
    if (entry.for === undefined) return { ...login, for: null };
    return { ...login, for: { groups: entry.for.groups ?? [], principals: entry.for.principals ?? [] } };
  });
}

function resolveLogin(text: LoginText | CredentialText, from: Picked<unknown>, context: TargetContext): LoginConfig {
  return {
    user: text.user,
    password: secretRef(parseSecret(text.password), context.source, (path) => context.absolute(path, from.directory)),
    auth: text.auth ?? 'scram-sha-256',
  };
}

/** A password in clear needs a target that has proved who it is; a link in clear is worth a warning. */
function checkTransport(
  at: Settings,
  address: Address,
  tls: TargetConfig['tls'],
  credentials: readonly LoginConfig[],
  context: TargetContext,
): void {
  if (credentials.some((login) => login.auth === 'cleartext') && tls !== 'verify-full') {
    context.problems.push(at.problem('credential', `auth: cleartext needs tls: verify-full, not ${tls}`));
  }
  if (tls === 'off' && !isLoopback(address)) {
    context.warnings.push(at.problem('tls', 'tls: off to another machine: statements and results cross in clear'));
  }
  if (tls === 'require' && !isLoopback(address)) {
    context.warnings.push(at.problem('tls', 'tls: require does not check who answers; verify-full does'));
  }
  if (tls !== 'verify-full' && at.line.value.ca !== undefined) {
    context.problems.push(at.problem('ca', `ca is used only with tls: verify-full, not ${tls}`));
  }
}

function resolveMode(at: Settings, context: TargetContext): TargetConfig['mode'] {
  const picked = at.pick('mode');
  if (picked === null || picked.value === 'enforce') return { kind: 'enforce' };
  const until = parsed(parseMoment(picked.value.until));
  const place = picked.from.document.problemAt([...picked.path, 'until'], '');
  if (until > context.now + OBSERVE_DAYS_MAX * DAY_MS) {
    context.problems.push({
      ...place,
      message: `${picked.value.until} is more than ${OBSERVE_DAYS_MAX} days from today`,
    });
  } else if (until <= context.now) {
    context.warnings.push({ ...place, message: `observing ended on ${picked.value.until}; the target is enforced` });
    return { kind: 'enforce' };
  } else {
    const message = `target ${at.line.value.name} is not enforced until ${picked.value.until}`;
    context.warnings.push({ ...place, message });
  }
  return { kind: 'observe', until };
}

/** For texts whose form the schema has checked. */
export function parsed<Value>(result: Parsed<Value>): Value {
  if (result.outcome === 'wrong') throw new Error(`the schema let pass: ${result.why}`);
  return result.value;
}

export type TargetMode = Config['targets'][number]['mode'];

const OBSERVE_DAYS_MAX = 90;
const DAY_MS = 24 * 3_600_000;
