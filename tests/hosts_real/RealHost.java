import java.util.ArrayList;
import java.util.List;

/** A JVM with threads, children, and a handler of SIGSEGV of its own: RealHost JNI_LIBRARY HELPER */
public class RealHost {
    static native String begin(String helper);
    static native String calls();
    static native String end();

    static final List<String> wrong = new ArrayList<>();

    static synchronized void check(String said) {
        if (!said.equals("ok"))
            wrong.add(said);
    }

    /** The JVM finds a null pointer by the signal that it raises. */
    static int length(String text) {
        try {
            return text.length();
        } catch (NullPointerException e) {
            return -1;
        }
    }

    static void hasChildren() {
        try {
            for (int i = 0; i < 20; i++) {
                Process child = new ProcessBuilder("sh", "-c", "exit " + i).start();
                if (child.waitFor() != i)
                    check("the host's own child: " + child.exitValue());
                for (int k = 0; k < 20000; k++)
                    if (length(k % 100 == 0 ? null : "abc") != (k % 100 == 0 ? -1 : 3))
                        check("a null pointer was not found");
            }
        } catch (Exception e) {
            check(e.toString());
        }
    }

    public static void main(String[] args) throws Exception {
        System.load(args[0]);
        hasChildren(); // the JVM opens what it keeps
        check(begin(args[1]));
        Thread[] threads = {new Thread(() -> check(calls())), new Thread(() -> check(calls())),
                            new Thread(RealHost::hasChildren)};
        for (Thread thread : threads)
            thread.start();
        for (Thread thread : threads)
            thread.join();
        check(end());
        wrong.forEach(System.err::println);
        System.exit(wrong.isEmpty() ? 0 : 1);
    }
}
