/* A module that a function loads, and that fails. */
extern int failing_module_entry(int n);

static int *volatile null_pointer;

__attribute__((noinline)) static int leaf_loaded_module(int n)
{
    *null_pointer = n;
    return n;
}

int failing_module_entry(int n)
{
    return leaf_loaded_module(n + 1) + 1;
}
