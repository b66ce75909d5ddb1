import type { ObservedView } from '../api/contract.ts';
import type { ApiRooms } from '../api/ports.ts';
import { BUILTIN_FILE } from '../policy/builtin.ts';
import type { House } from './api-rooms.ts';
import { nothingGiven } from './control.ts';
import { pageOf } from './pages.ts';
import { testPolicies } from './policy-tests.ts';
import { explain, hypothetical } from './questions.ts';

/** What can be asked of the policies: by hand, by tests, of the past. */
export function policyRooms(house: House): ApiRooms['policy'] {
  const { log, current, now } = house;
  return {
    may: (principal, action) => current.now.policy.admin(principal, action, nothingGiven(now())),
    explain: async (input) => {
      const generation = current.now;
      const action = await hypothetical(input, { ...house, generation });
      return explain(action, input, generation, now());
    },
    test: (input) => testPolicies(house, input),
    observed: async (input) => {
      const found = new Map<string, ObservedView>();
      const from = Math.max(0, log.reader.size - current.now.config.limits.search_entries_max);
      for await (const { entry, sealed } of log.reader.range(from, log.reader.size)) {
        if (entry.verdict !== 'observed') continue;
        const [rule = null] = entry.rules;
        const code = String(entry.facts.code ?? '');
        const key = JSON.stringify([rule, entry.target, entry.principal, code]);
        const seen = found.get(key);
        found.set(key, {
          rule,
          target: entry.target ?? '',
          principal: entry.principal ?? '',
          code,
          why: typeof sealed?.why === 'string' ? sealed.why : '',
          count: (seen?.count ?? 0) + 1,
          firstAt: seen?.firstAt ?? entry.at,
          lastAt: entry.at,
        });
      }
      const all = [...found.entries()].toSorted(([, one], [, other]) => other.lastAt - one.lastAt);
      const { items, next } = pageOf(all, input, ([key]) => key);
      return { items: items.map(([, view]) => view), next };
    },
    set: async (withBuiltin) => {
      const { set, policy } = current.now;
      const rules = set.rules.filter(({ file }) => withBuiltin || file !== BUILTIN_FILE);
      return {
        digest: set.digest,
        epoch: policy.epoch(),
        rules: rules.map(({ id, effect, file, cure, observeUntil, source }) => ({
          id,
          effect,
          file,
          cure: cure?.kind ?? null,
          mode: observeUntil !== null && observeUntil > now() ? 'observe' : 'enforce',
          text: source,
        })),
      };
    },
  };
}
