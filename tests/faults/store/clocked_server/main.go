// A nats-server whose wall clock is wrong by the seconds that the file $WRONG_CLOCK holds; its steady clock is right.
//
// The package time is built with an overlay that adds time.Wrong to what Now tells.
package main

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func readClock(path string) {
	if text, err := os.ReadFile(path); err == nil {
		if seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			time.SetWrong(seconds)
		}
	}
}

func main() {
	clock := os.Getenv("WRONG_CLOCK")
	readClock(clock)
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			readClock(clock)
		}
	}()
	options, err := server.ConfigureOptions(flag.NewFlagSet("nats-server", flag.ExitOnError), os.Args[1:],
		server.PrintServerAndExit, flag.Usage, server.PrintTLSHelpAndDie)
	if err != nil {
		server.PrintAndDie(err.Error())
	}
	running, err := server.NewServer(options)
	if err != nil {
		server.PrintAndDie(err.Error())
	}
	running.ConfigureLogger()
	if err := server.Run(running); err != nil {
		server.PrintAndDie(err.Error())
	}
	running.WaitForShutdown()
}
