import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { type Config, labelIds } from '../config/config.ts';
import { configInvalid } from '../config/load.ts';
import type { Problem } from '../config/problem.ts';
import type { LoadOptions, PolicySource } from '../policy/load.ts';
import { loadPolicies } from '../policy/loader.ts';
import type { PolicySet } from '../policy/rule.ts';

/** The policies of a configuration, compiled and checked against what it defines; every problem at once otherwise. */
export async function loadPolicySet(config: Config, now: number): Promise<PolicySet> {
  const loaded = await loadPolicies(policySources(config), policyOptions(config, now));
  if (loaded.outcome === 'loaded') return loaded.set;
  throw configInvalid(
    loaded.problems.map(
      ({ file, line, rule, message }): Problem => ({ file, line, column: null, path: rule ?? '', message }),
    ),
  );
}

/** Files are named as the configuration names them, not by where they lie on this machine. */
export function policySources(config: Config): readonly PolicySource[] {
  return config.policies.map((file) => ({
    file: relative(config.source.directory, file),
    text: readFileSync(file, 'utf8'),
  }));
}

/** What policies may speak of. Groups of identity providers are not known here, so names of theirs are not checked. */
export function policyOptions(config: Config, now: number): LoadOptions {
  const { service_accounts = [], agents = [], providers = [] } = config.identity;
  const own = [...service_accounts, ...agents].flatMap(({ groups }) => groups ?? []);
  const fromOutside = providers.some(({ type }) => type !== 'workload');
  return {
    now,
    limits: config.limits,
    targets: config.targets.map(({ name, protocol }) => ({ name, protocol })),
    labels: config.targets.flatMap((target) => [
      ...labelIds(target.labels),
      ...target.classify.map(({ label }) => label),
    ]),
    agentGroups: agents.flatMap(({ groups }) => groups ?? []),
    ...(fromOutside ? {} : { groups: [...own, ...workloadGroups(config)] }),
  };
}

function workloadGroups(config: Config): readonly string[] {
  return (config.identity.providers ?? []).flatMap((provider) =>
    provider.type === 'workload'
      ? (provider.groups ?? []).flatMap((group) => [group, `${provider.name}/${group}`])
      : [],
  );
}
