//! Operations of a vector type, each from one expression of intrinsics.

/// Methods that wrap what their expressions give.
///
/// Safety, for all that is generated here: values of a vector type are made only inside of tasks that a back-end
/// runs, which exists only where the processor has its instructions; the parent modules of the types see to that.
macro_rules! operations {
    ($($(#[$doc:meta])* fn $method:ident($self:ident $(, $argument:ident: $type:ty)*) = $body:expr;)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            fn $method($self $(, $argument: $type)*) -> Self {
                // SAFETY: there is a value of the type, so the processor has the instructions.
                Self(unsafe { $body })
            }
        )*
    };
}

/// A vector type around a register that holds some numbers, and its implementation of a trait that has width,
/// splat, load and store.
macro_rules! vector {
    (
        $(#[$doc:meta])*
        $name:ident($register:ty): $trait:ident, $width:literal of $number:ty;
        splat($value:ident) = $splat:expr;
        load($from:ident) = $load:expr;
        store($to:ident, $vector:ident) = $store:expr;
        $($operations:tt)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(in crate::lanes) struct $name($register);

        impl $trait for $name {
            const WIDTH: usize = $width;

            #[inline(always)]
            fn splat($value: $number) -> Self {
                // SAFETY: only tasks of the back-end name the type, so the processor has the instructions.
                Self(unsafe { $splat })
            }

            #[inline(always)]
            fn load(row: &[$number]) -> Self {
                let $from = row[..$width].as_ptr();
                // SAFETY: as above; and the row has the numbers, as its slicing has shown.
                Self(unsafe { $load })
            }

            #[inline(always)]
            fn store(self, row: &mut [$number]) {
                let ($to, $vector) = (row[..$width].as_mut_ptr(), self.0);
                // SAFETY: as for loading.
                unsafe { $store }
            }

            operations! { $($operations)* }
        }
    };
}
