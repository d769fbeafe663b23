// Node with worker threads and children of its own: node_host.js MODULE HELPER
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { spawn } = require('child_process');

function load(path) {
    const module = { exports: {} };
    process.dlopen(module, path);
    return module.exports;
}

if (!isMainThread) {
    parentPort.postMessage(load(workerData).calls());
} else {
    main(load(process.argv[2]), process.argv[2], process.argv[3]);
}

async function main(real, path, helper) {
    const wrong = [];
    const check = said => { if (said !== 'ok') wrong.push(said); };
    const worker = () => new Promise((resolve, reject) => {
        let said = 'nothing was said';
        new Worker(__filename, { workerData: path })
            .on('message', message => { said = message; }).on('error', reject).on('exit', () => resolve(said));
    });
    const child = number => new Promise((resolve, reject) => {
        spawn('sh', ['-c', `exit ${number}`]).on('error', reject).on('exit', code => {
            check(code === number ? 'ok' : `the host's own child: ${code}`);
            resolve();
        });
    });
    const children = async () => { for (let i = 0; i < 20; i++) await child(i); };
    await child(0); // Node opens what it keeps
    check(real.begin(helper));
    const said = await Promise.all([worker(), worker(), children()]);
    check(said[0]);
    check(said[1]);
    check(real.calls()); // in the event loop's own thread
    check(real.end());
    wrong.forEach(what => console.error(what));
    process.exit(wrong.length ? 1 : 0);
}
