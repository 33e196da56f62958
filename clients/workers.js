// SPDX-License-Identifier: GPL-2.0
// Node.js: libuv wakes a loop by an eventfd, for each message to another thread and for what
// its thread pool has done. Values go to worker threads and come back as squares, one at a time
// and in a flood, and files and hashes are made beside that.
'use strict';
const { Worker, isMainThread, parentPort } = require('worker_threads');
const crypto = require('crypto');
const fs = require('fs');

const workers = 3, rounds = 60, flood = 400, alone = 300;

if (!isMainThread) {
	parentPort.on('message', (n) => n < 0 ? parentPort.close() : parentPort.postMessage(n * n));
	return;
}

function check(what, got, wanted)
{
	if (got !== wanted)
		throw new Error(`${what}: ${got}, not ${wanted}`);
}

async function talk(number, rounds, flood)
{
	const worker = new Worker(__filename);
	const answers = [];
	let wake = () => {};
	worker.on('message', (m) => { answers.push(m); wake(); });
	worker.on('error', (e) => { throw e; });
	const ended = new Promise((done) => worker.on('exit', done));
	const until = async (n) => {
		while (answers.length < n)
			await new Promise((done) => { wake = done; });
	};

	for (let i = 0; i < rounds; i++) {
		worker.postMessage(number + i);
		await until(i + 1);
		check('a square', answers[i], (number + i) ** 2);
	}
	for (let i = 0; i < flood; i++)
		worker.postMessage(i);
	await until(rounds + flood);
	for (let i = 0; i < flood; i++)
		check('a square of the flood', answers[rounds + i], i * i);
	worker.postMessage(-1);
	check('the status of a worker', await ended, 0);
}

async function pool(number)
{
	const name = `/tmp/node-${process.pid}-${number}`;
	for (let i = 0; i < 20; i++) {
		await fs.promises.writeFile(name, `${number} ${i}`);
		check('a file', await fs.promises.readFile(name, 'utf8'), `${number} ${i}`);
	}
	await fs.promises.unlink(name);
	const key = await new Promise((done, no) =>
		crypto.pbkdf2('password', 'salt', 2, 20, 'sha1', (e, k) => e ? no(e) : done(k.toString('hex'))));
	// as RFC 6070 has it
	check('a key', key, 'ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957');
}

const all = [];
for (let i = 0; i < workers; i++)
	all.push(talk(1000 * i, rounds, flood), pool(i));
// of one alone, nobody else wakes the main loop by the way
Promise.all(all).then(() => talk(7, alone, 0)).then(
	() => console.log(`${workers * (rounds + flood) + alone} squares of ${workers + 1} workers`),
	(e) => { console.error(e.message); process.exit(1); });
