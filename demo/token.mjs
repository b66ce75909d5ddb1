// Prints an ID token of one of the demo's users: node demo/token.mjs ann@example.com [--issuer http://127.0.0.1:9400]
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  options: { issuer: { type: 'string', default: 'http://127.0.0.1:9400' }, client: { type: 'string', default: 'sallyport' } },
  allowPositionals: true,
});
const query = new URLSearchParams({ user: positionals[0] ?? 'ann@example.com', client: values.client });
const response = await fetch(`${values.issuer}/demo/token?${query}`);
const text = (await response.text()).trim();
if (!response.ok) {
  process.stderr.write(`the provider answered ${response.status}: ${text}\n`);
  process.exit(1);
}
process.stdout.write(`${text}\n`);
