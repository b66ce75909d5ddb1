import type { PolicyTestInput, PolicyTestView } from '../api/contract.ts';
import { configInvalid } from '../config/load.ts';
import { GatewayError } from '../core/errors.ts';
import { loadPolicies } from '../policy/loader.ts';
import { createPolicy } from '../policy/policy.ts';
import { runPolicyTests } from '../policy/tests.ts';
import type { Catalogue } from '../protocols/sql/catalogue.ts';
import type { House } from './api-rooms.ts';
import { policyOptions } from './policies.ts';

/** Runs policy tests against the rules in force, or against others under this configuration. */
export async function testPolicies(house: House, input: PolicyTestInput): Promise<PolicyTestView> {
  const { config, policy: inForce, targets } = house.current.now;
  let policy = inForce;
  if (input.policies !== undefined) {
    const loaded = await loadPolicies(input.policies, policyOptions(config, house.now()));
    if (loaded.outcome === 'refused') {
      throw configInvalid(
        loaded.problems.map(({ file, line, rule, message }) => ({
          file,
          line,
          column: null,
          path: rule ?? '',
          message,
        })),
      );
    }
    policy = createPolicy(loaded.set, { limits: config.limits });
  }
  // Statements are classified at once, so every catalogue is there before the first test.
  const catalogues = new Map<string, Catalogue>();
  for (const { name, database } of targets.values()) {
    const catalogue = await house.catalogues.current(name, database).catch(() => null);
    // Compose made the catalogues of exactly this type.
    if (catalogue !== null) catalogues.set(name, catalogue as Catalogue);
  }
  const results = runPolicyTests(policy, input.tests, {
    now: house.now(),
    classify: (doing, name) => {
      const [target, catalogue] = [targets.get(name), catalogues.get(name)];
      if (target === undefined) throw new GatewayError('NOT_FOUND', `there is no target ${name}`);
      if (catalogue === undefined)
        throw new GatewayError('CATALOGUE_UNAVAILABLE', `the catalogue of ${name} is not known`);
      if (typeof doing !== 'string') throw new GatewayError('USAGE', `${name} speaks SQL: \`do\` is a statement`);
      const text = Buffer.from(doing);
      const context = { catalogue, searchPath: catalogue.searchPath, prepared: () => null, cursor: () => null };
      const { classification } = house.classifier.statement(text, context);
      return { classification, protocol: target.protocol, resource: target.resource, text };
    },
  });
  return {
    passed: results.filter(({ passed }) => passed).length,
    failed: results.filter(({ passed }) => !passed).length,
    cases: results.map(({ file, line, name, passed, message }) => ({
      file: `${file}:${line}`,
      name,
      passed,
      message: message === '' ? null : message,
    })),
  };
}
