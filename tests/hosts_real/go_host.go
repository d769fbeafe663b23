// Go, whose runtime has threads and handlers of nearly every signal: go_host HELPER
package main

// #include <stdlib.h>
// #include "real_host.h"
import "C"

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"unsafe"
)

func main() {
	var group sync.WaitGroup
	wrong := make(chan string, 100)
	check := func(said string) {
		if said != "ok" {
			wrong <- said
		}
	}
	helper := C.CString(os.Args[1])
	defer C.free(unsafe.Pointer(helper))
	exec.Command("true").Output() // the runtime opens what it keeps
	check(C.GoString(C.real_host_begin(helper)))
	run := func(what func()) {
		group.Add(1)
		go func() {
			defer group.Done()
			runtime.LockOSThread() // an answer lies in memory of its thread
			what()
		}()
	}
	run(func() { check(C.GoString(C.real_host_calls())) })
	run(func() { check(C.GoString(C.real_host_calls())) })
	run(func() {
		for i := 0; i < 20; i++ {
			said, err := exec.Command("sh", "-c", fmt.Sprintf("echo %d", i)).Output()
			if err != nil || string(said) != fmt.Sprintf("%d\n", i) {
				check(fmt.Sprint("the host's own child: ", err, string(said)))
			}
		}
	})
	group.Wait()
	check(C.GoString(C.real_host_end()))
	close(wrong)
	failed := 0
	for what := range wrong {
		fmt.Fprintln(os.Stderr, what)
		failed = 1
	}
	os.Exit(failed)
}
