// The process behind fakes/idp.ts: the demo's provider, with its keys and its line held by the test.
import { startIdp } from '../../demo/idp.mjs';

let idp = null;
const commands = {
  start: async ({ keys }) => {
    idp = await startIdp({ keys });
    return idp.issuer;
  },
  keys: async ({ keys }) => idp.useKeys(keys),
  stop: () => idp.stop(),
  resume: () => idp.resume(),
};

process.on('message', async (message) => {
  const result = await commands[message.do](message);
  process.send({ id: message.id, result: result ?? null });
});
process.on('disconnect', () => process.exit(0));
