// The last step of a build: a hash of the sources it was made from, which a test compares with the sources of today.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';

const SOURCES = ['package-lock.json', 'package.json', 'schema', 'src', 'style', 'tsconfig.json'];

const files = path => (statSync(path).isDirectory() ? readdirSync(path).sort().flatMap(name => files(`${path}/${name}`)) : [path]);

const hash = createHash('sha256');
for (const path of SOURCES.flatMap(files)) {
  hash.update(path).update('\0').update(readFileSync(path)).update('\0');
}
writeFileSync('../jupyter_carbon/static/sources.sha256', `${hash.digest('hex')}\n`);
