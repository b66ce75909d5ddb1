import type { Config } from '../config/config.ts';
import type { EpochMs } from '../core/ids.ts';
import type { Target } from '../gateway/targets.ts';
import { createPolicy, type Difference, type Policy } from '../policy/policy.ts';
import type { PolicySet } from '../policy/rule.ts';
import type { PolicyStage } from '../policy/stage.ts';
import { targetsOf } from './targets.ts';

/** What a reload replaces, whole: one configuration with its targets and its policies. */
export interface Generation {
  readonly config: Config;
  readonly targets: ReadonlyMap<string, Target>;
  readonly policy: Policy;
  readonly set: PolicySet;
}

export interface PolicyWiring {
  readonly facts: Parameters<typeof createPolicy>[1] extends infer Options
    ? Options extends { facts?: infer Facts }
      ? Facts
      : never
    : never;
  readonly random: () => number;
  readonly onDifference: (difference: Difference) => void;
}

/** The generation in force. Everything that decides asks through here, so a reload reaches live sessions at their next action. */
export class Current {
  #generation: Generation;
  readonly #wiring: PolicyWiring;

  constructor(config: Config, set: PolicySet, wiring: PolicyWiring) {
    this.#wiring = wiring;
    this.#generation = this.#make(config, set, 1);
  }

  get now(): Generation {
    return this.#generation;
  }

  replace(config: Config, set: PolicySet): void {
    this.#generation = this.#make(config, set, this.#generation.policy.epoch() + 1);
  }

  /** The policy stage as the pipeline knows it for ever. */
  stage(): PolicyStage {
    return {
      decide: (action, given) => this.#generation.policy.decide(action, given),
      reveal: (action, column, given) => this.#generation.policy.reveal(action, column, given),
      admin: (principal, action, given) => this.#generation.policy.admin(principal, action, given),
      epoch: () => this.#generation.policy.epoch(),
      digest: () => this.#generation.policy.digest(),
      ruleDigest: (rule) => this.#generation.policy.ruleDigest(rule),
    };
  }

  #make(config: Config, set: PolicySet, epoch: number): Generation {
    const observe = new Map<string, EpochMs>();
    for (const { name, mode } of config.targets) if (mode.kind === 'observe') observe.set(name, mode.until);
    const policy = createPolicy(set, {
      limits: config.limits,
      epoch,
      observe,
      random: this.#wiring.random,
      onDifference: this.#wiring.onDifference,
      ...(this.#wiring.facts === undefined ? {} : { facts: this.#wiring.facts }),
    });
    return { config, targets: targetsOf(config), policy, set };
  }
}
